"""A model of a warehouse that loads a tap's output and removes rows by claims."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attribution_elt.kit.testing.process import Output, Row, Rows


class ClaimError(AssertionError):
    """A claim does not match the records that were written before it."""


class Warehouse:
    """The rows of each stream by key.

    Attributes:
        removed: the keys that claims have removed, by stream.
    """

    def __init__(self) -> None:
        self.rows: defaultdict[str, Rows] = defaultdict(dict)
        self.removed: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)

    def load(self, output: Output) -> None:
        """Load a run, and check the number of records in its claims.

        Raises:
            ClaimError: a claim has another number of records than the run wrote.
        """
        keys: dict[str, list[str]] = {}
        written: defaultdict[str, list[Row]] = defaultdict(list)
        for message in output.messages:
            stream = message.get("stream", "")
            if message["type"] == "SCHEMA":
                keys[stream] = message["key_properties"]
            elif message["type"] == "RECORD":
                record = message["record"]
                written[stream].append(record)
                self.rows[stream][_key(record, keys[stream])] = record
            else:
                for claim in message.get("delivered", ()):
                    name = claim["stream"]
                    self._sweep(claim, written[name], keys[name])

    def _sweep(self, claim: Mapping[str, Any], written: list[Row], keys: list[str]) -> None:
        inside = [record for record in written if is_inside(record, claim["where"])]
        if len(inside) != claim["rows"]:
            raise ClaimError(f"{claim}: {len(inside)} records were written inside")
        delivered = {_key(record, keys) for record in written}
        rows = self.rows[claim["stream"]]
        for key in [k for k, row in rows.items() if is_inside(row, claim["where"])]:
            if key not in delivered:
                del rows[key]
                self.removed[claim["stream"]].append(key)


def claims_of(output: Output, stream: str) -> list[Mapping[str, Any]]:
    """Return the `where` of each claim of a stream."""
    return [
        claim["where"]
        for message in output.of("STATE")
        for claim in message.get("delivered", ())
        if claim["stream"] == stream
    ]


def is_inside(record: Row, where: Mapping[str, Any]) -> bool:
    """Return whether a record is inside a claim."""
    return all(_matches(record[name], value) for name, value in where.items())


def _matches(found: Any, wanted: Any) -> bool:
    if not isinstance(wanted, dict):
        return bool(found == wanted)
    if found is None:
        return False
    first, end = (datetime.fromisoformat(wanted[name]) for name in ("from", "to"))
    return first <= datetime.fromisoformat(found) < end


def _key(record: Row, names: list[str]) -> tuple[Any, ...]:
    return tuple(record[name] for name in names)
