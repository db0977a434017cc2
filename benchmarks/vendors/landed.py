"""Compares tables in PostgreSQL with the vendor's data."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*")
FRACTION = re.compile(r"-?\d+\.\d+")
Row = tuple[Any, ...]


@dataclass(frozen=True)
class Table:
    """Expected rows, and the query for the loaded ones.

    Attributes:
        truth: returns the expected rows, keys first, from the vendor's complete data.
        queries: SQL by the form of the tables: `own` of our tap; `nested` if lists stay in a
            column; `children` if each list is a table. If missing, a query of the table `name`.
        parts: members to take from the objects of a list, if the last column is a list.
    """

    name: str
    keys: tuple[str, ...]
    truth: Callable[[Any], Iterable[Row]]
    values: tuple[str, ...] = ()
    queries: dict[str, str] = field(default_factory=dict)
    parts: tuple[str, ...] = ()

    def rows(self, connection: psycopg.Connection[Row], form: str) -> Iterator[Row]:
        """Yield the loaded rows."""
        columns = ", ".join((*self.keys, *self.values))
        default = f"SELECT {columns} FROM {self.name}"  # noqa: S608 - names of the benchmark's own
        for row in connection.execute(self.queries.get(form, default).encode()):
            match row:
                case (*parents, [*parts]):
                    for part in parts:
                        yield (*parents, *(part.get(name) for name in self.parts))
                case _:
                    yield row

    def differences(self, truth: Any, rows: Iterable[Row]) -> list[str]:
        """Return the differences, or an empty text."""
        wanted = [tuple(map(_text, row)) for row in self.truth(truth)]
        found = [tuple(map(_text, row)) for row in rows]
        width = len(self.keys)
        places = {"lost": (range(width), wanted, found), "too many": (range(width), found, wanted)}
        counts = {what: _missing(*each) for what, each in places.items()}
        known = {row[:width] for row in wanted}
        common = [row for row in found if row[:width] in known]
        for place, name in enumerate(self.values, width):
            counts[f"with another {name}"] = _missing((*range(width), place), common, wanted)
        return [f"{count:,} {self.name} {what}" for what, count in counts.items() if count]


def _missing(places: Iterable[int], these: Iterable[Row], those: Iterable[Row]) -> int:
    """Count the rows that are in the first list only, by some of their values."""
    chosen = tuple(places)
    first, second = (
        Counter(tuple(row[each] for each in chosen) for row in rows) for rows in (these, those)
    )
    return (first - second).total()


def _text(value: Any) -> str:
    """Format equal values alike: 7 and 7.00, an instant in any time zone."""
    if isinstance(value, str) and INSTANT.fullmatch(value):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):  # columns without time zone contain times in UTC
        return str(value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC))
    if isinstance(value, float | Decimal) or (isinstance(value, str) and FRACTION.fullmatch(value)):
        return f"{Decimal(str(value)).normalize():f}"
    return str(value)
