"""What becomes of personal data: kept, replaced by a keyed hash, or dropped."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Any


class PersonalData:
    """The settings `pii` and `pii_key`, applied to a property's value.

    Args:
        mode: `keep`, `hash` or `drop`.
        key: secret of the hash (HMAC-SHA-256). The same person gives the same value wherever
            the same key is used.
    """

    def __init__(self, mode: str, key: str) -> None:
        self._mode = mode
        self._key = key.encode()

    @classmethod
    def of_settings(cls, config: Mapping[str, Any], *, fallback_key: str) -> PersonalData:
        """Build it from a tap's settings; `fallback_key` hashes keys when nothing else is set."""
        return cls(config.get("pii") or "keep", config.get("pii_key") or fallback_key)

    @property
    def active(self) -> bool:
        """Whether anything is masked at all."""
        return self._mode != "keep"

    def schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return a stream's JSON schema as its masked records fit it: hashes are texts."""
        if self._mode != "hash":
            return schema
        properties = {
            name: {"type": ["string", *(t for t in each["type"] if t == "null")], **_kept(each)}
            if each.get("x-pii") and not {"object", "array"} & set(each["type"])
            else each
            for name, each in schema["properties"].items()
        }
        return {**schema, "properties": properties}

    def of(self, *, key: bool) -> Callable[[Any], Any]:
        """Return the mask of a property; one of the primary key is hashed even under `drop`."""
        return self.hashed if key or self._mode == "hash" else _dropped

    def hashed(self, value: Any) -> Any:
        """Return the value with each text and number in it replaced by its hash.

        Case and surrounding blanks do not count: one address is one person.
        """
        if isinstance(value, dict):
            return {name: self.hashed(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.hashed(inner) for inner in value]
        if value is None or isinstance(value, bool):
            return value
        text = str(value).strip().casefold()
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()


def _kept(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in schema.items() if name not in {"type", "format"}}


def _dropped(_value: Any) -> None:
    return None
