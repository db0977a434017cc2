"""Checks the state and the catalog that a tap gets."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from attribution_elt.core.dates import day_of

INSTANTS = {"replication_key_value", "since", "completed", "units"}
"""Members of a stream's state that are a day or an instant, or have one for each unit."""
TEXTS = {"horizon", "listed", "failed", "computed"}
"""Members that are a text, or have one for each entry."""
OBJECTS = {"units", "had_rows", "listed", "failed", "computed"}


def readable_state(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return a state without nulls where the SDK needs an object: null means absent."""
    bookmarks = state.get("bookmarks")
    if not isinstance(bookmarks, dict):
        return {name: each for name, each in state.items() if (name, each) != ("bookmarks", None)}
    known = {name: _without_nulls(each) for name, each in _without_nulls(bookmarks).items()}
    return {**state, "bookmarks": known}


def _without_nulls(value: Any) -> Any:
    """Return an object without its null members; return other values unchanged."""
    if not isinstance(value, dict):
        return value
    return {name: each for name, each in value.items() if each is not None}


def state_errors(state: object, streams: Collection[str]) -> Iterator[str]:
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
        elif name in streams:
            for member, value in each.items():
                yield from _member_errors(f"state: {member!r} of {name!r}", member, value)


def _member_errors(where: str, member: str, value: object) -> Iterator[str]:
    if member in OBJECTS and not isinstance(value, Mapping):
        yield f"{where} is {_kind(value)} instead of an object"
        return
    for each in value.values() if isinstance(value, Mapping) else [value]:
        if member in TEXTS and not isinstance(each, str):
            yield f"{where}: {each!r} is not a text"
        elif member in INSTANTS and each and not _is_day(each):
            yield f"{where}: {each!r} is neither a date nor a time"


def _is_day(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(day_of(value))
    except ValueError:
        return False


def catalog_errors(catalog: object, streams: Collection[str]) -> Iterator[str]:
    """Yield a line for each part of a catalog that cannot be used."""
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
