"""Ids that a vendor listed in the last complete run, to detect ids that are withdrawn."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import msgspec

MOST_LISTED = 5_000
"""Maximum number of ids kept for a scope, to keep the state small; longer lists are not kept."""


def fingerprint(settings: Mapping[str, Any]) -> str:
    """Return a short hash of settings, to detect that one of them has changed."""
    text = msgspec.json.encode(dict(settings), order="deterministic")
    return hashlib.sha256(text).hexdigest()[:12]


class ListedIds:
    """The ids of each scope, such as a channel, kept in a stream's state.

    A scope's ids are one text, because Meltano merges the dictionaries of states: a text is
    replaced as a whole, but an entry of a dictionary could never be removed.

    Args:
        state: the stream's state.
        filters: the settings that decide what is listed.

    Attributes:
        unchanged: whether the last complete run had the same filters. If not, an id that is no
        longer listed may have been deselected by a setting, not withdrawn by the vendor.
    """

    def __init__(self, state: dict[str, Any], filters: Mapping[str, Any] | None = None) -> None:
        self._filters = fingerprint(filters or {})
        self._state = state
        self.unchanged = state.get("filters") == self._filters

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Yield scope and id of each entry of the last complete run."""
        texts: dict[str, str] = self._state.get("listed", {})
        for scope, text in texts.items():
            yield from ((scope, id_) for id_ in text.split())

    def save(self, listed: Mapping[str, Collection[str]]) -> None:
        """Replace the ids of all scopes by those of complete lists; ids must not contain blanks."""
        texts: dict[str, str] = self._state.setdefault("listed", {})
        texts.update(dict.fromkeys(texts, ""))
        for scope, ids in listed.items():
            texts[scope] = " ".join(ids) if len(ids) <= MOST_LISTED else ""
        self._state["filters"] = self._filters
