"""Ids that a vendor listed in the last complete run, so that a tap detects which are gone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

MOST_LISTED = 5_000
"""Ids kept for each scope, so that the state stays small; of longer lists none is kept."""


class ListedIds:
    """The ids of each scope (a website, a channel), kept in a stream's state.

    A scope's ids are one text, because Meltano merges the dictionaries of states: a text is
    replaced as a whole, but an entry of a dictionary could never be removed.

    Args:
        state: the stream's state.
        filters: the settings that decide what is listed. If they differ from those of the last
            run, an id that is no longer listed may have been deselected instead of withdrawn.
    """

    def __init__(self, state: dict[str, Any], filters: Mapping[str, Any] | None = None) -> None:
        encoded = json.dumps(filters or {}, sort_keys=True, default=str)
        self._filters = hashlib.sha256(encoded.encode()).hexdigest()[:12]
        self._state = state

    def gone(self, scope: str, listed: Collection[str]) -> Iterator[str]:
        """Yield the ids of the last complete run that a complete list has no longer."""
        if self._state.get("filters") == self._filters:
            known = self._state.get("listed", {}).get(scope, "").split()
            yield from (each for each in known if each not in listed)

    def save(self, listed: Mapping[str, Collection[str]]) -> None:
        """Replace the ids of all scopes by those of a complete run.

        Ids must not contain blanks.
        """
        texts: dict[str, str] = self._state.setdefault("listed", {})
        if self._state.get("filters") != self._filters:
            texts.update(dict.fromkeys(texts, ""))
        for scope, ids in listed.items():
            texts[scope] = " ".join(ids) if len(ids) <= MOST_LISTED else ""
        self._state["filters"] = self._filters
