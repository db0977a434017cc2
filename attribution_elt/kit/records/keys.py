"""Keys for rows that the vendor sends without a usable key."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import Any


def text_hash(text: str) -> str:
    """Return the key of a text: `sha256:` and its hash."""
    return f"sha256:{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()}"


def row_hash(row: Any) -> str:
    """Return the key of a whole row; the order of its members does not matter."""
    return text_hash(json.dumps(row, sort_keys=True, default=str))


def first_text(row: dict[str, Any], *names: str) -> str | None:
    """Return the first of some properties that is not blank, as text."""
    for name in names:
        value = row.get(name)
        if value is not None and str(value).strip():
            return str(value)
    return None


class UniqueKeys:
    """Numbers keys that repeat within one response: `a`, `a#2`, `a#3`.

    It keeps 8 bytes of each key's hash, about 70 bytes of memory per row. If two hashes were equal,
    a row would get a number that it does not need.
    """

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._times: Counter[str] = Counter()

    def of(self, key: str) -> str:
        """Return the key, with a number if it was returned before."""
        unique = key
        while not self._is_new(unique):  # a numbered key may be the key of another row
            self._times[key] += 1
            unique = f"{key}#{self._times[key] + 1}"
        return unique

    def _is_new(self, key: str) -> bool:
        size = len(self._seen)
        self._seen.add(hash(key))
        return len(self._seen) > size
