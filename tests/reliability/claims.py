"""Applies the claims in a tap's output as a loader does, without a warehouse."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from tests.tap_process import Output, Row, Rows

Key = tuple[Any, ...]


def is_inside(row: Row, where: Mapping[str, Any]) -> bool:
    """Return whether a row is inside a claim."""
    return all(_matches(row.get(name), value) for name, value in where.items())


def _matches(value: Any, wanted: Any) -> bool:
    if not isinstance(wanted, dict):
        return bool(value == wanted)
    if value is None:
        return False
    moment = _comparable(value)
    return bool(_comparable(wanted["from"]) <= moment < _comparable(wanted["to"]))


def _comparable(value: Any) -> Any:
    return datetime.fromisoformat(value) if isinstance(value, str) and "T" in value else value


def removed_rows(output: Output, held: Mapping[str, Rows]) -> Iterator[tuple[str, Key]]:
    """Yield the stream and the key of each held row that the claims of a run remove.

    A claim removes the rows inside it that the run has not delivered before.
    """
    keys = {message["stream"]: message["key_properties"] for message in output.of("SCHEMA")}
    delivered: defaultdict[str, set[Key]] = defaultdict(set)
    for message in output.messages:
        if message["type"] == "RECORD":
            stream = message["stream"]
            delivered[stream].add(tuple(message["record"][name] for name in keys[stream]))
        for claim in message.get("delivered", ()) if message["type"] == "STATE" else ():
            stream = claim["stream"]
            for key, row in held.get(stream, {}).items():
                if key not in delivered[stream] and is_inside(row, claim["where"]):
                    yield stream, key


def miscounted_claims(output: Output) -> Iterator[str]:
    """Yield an error for each claim whose `rows` differs from the records inside it."""
    records: defaultdict[str, list[Row]] = defaultdict(list)
    for message in output.messages:
        if message["type"] == "RECORD":
            records[message["stream"]].append(message["record"])
        for claim in message.get("delivered", ()) if message["type"] == "STATE" else ():
            found = sum(is_inside(row, claim["where"]) for row in records[claim["stream"]])
            if found != claim["rows"]:
                yield f"{claim}: {found} records are inside"
