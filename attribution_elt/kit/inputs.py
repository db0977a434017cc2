"""Checks the state and the catalog that a tap gets."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any


def readable_state(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return a state without nulls where the SDK needs an object: null means absent."""
    bookmarks = state.get("bookmarks")
    if not isinstance(bookmarks, dict):
        return {name: each for name, each in state.items() if (name, each) != ("bookmarks", None)}
    known = {name: each for name, each in bookmarks.items() if each is not None}
    return {**state, "bookmarks": known}


def state_errors(state: object) -> Iterator[str]:
    """Yield a line for each part of a state that has the wrong shape."""
    if not isinstance(state, Mapping):
        yield f"state: {_kind(state)} instead of an object"
        return
    bookmarks = state.get("bookmarks", {})
    if not isinstance(bookmarks, Mapping):
        yield f"state: 'bookmarks' is {_kind(bookmarks)} instead of an object"
        return
    for name, each in bookmarks.items():
        if not isinstance(each, Mapping):
            yield f"state: the bookmark of {name!r} is {_kind(each)} instead of an object"


def catalog_errors(catalog: object, streams: Collection[str]) -> Iterator[str]:
    """Yield a line for each part of a catalog that cannot be used.

    Args:
        catalog: the catalog as decoded.
        streams: the names of the tap's streams.
    """
    entries = catalog.get("streams") if isinstance(catalog, Mapping) else None
    if not isinstance(entries, list):
        yield "catalog: it is not an object with a list 'streams', as --discover writes it"
        return
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, Mapping) or not isinstance(entry.get("tap_stream_id"), str):
            yield f"catalog: entry {number} of 'streams' has no 'tap_stream_id'"
            continue
        id_ = entry["tap_stream_id"]
        name = entry.get("stream", id_)
        if id_ in streams and name != id_:
            yield (
                f"catalog: stream {id_!r} is renamed to {name!r}, which has no effect on a tap; "
                "use the setting 'stream_maps' with '__alias__'"
            )
        if not isinstance(entry.get("schema"), Mapping):
            yield f"catalog: stream {id_!r} has no 'schema'"
        if not isinstance(entry.get("metadata", []), list):
            yield f"catalog: 'metadata' of stream {id_!r} is not a list"


def _kind(value: object) -> str:
    kinds = {list: "a list", str: "a text", bool: "a boolean", type(None): "null"}
    return kinds.get(type(value), "a number")
