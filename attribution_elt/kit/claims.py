"""Claims name what a run has delivered completely.

A loader removes rows inside a claim that were not delivered. A reader claims only what one or more
responses contain completely. Without a claim, nothing is removed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeAlias

from attribution_elt.core.dates import day_of
from attribution_elt.kit.temporary import temporary_database

MOST_PENDING = 10_000
"""Combinations of values that are counted in memory before they are written to disk."""


@dataclass(frozen=True, slots=True)
class Range:
    """The days from `first` (included) to `end` (excluded) of a date or date-time column."""

    first: date
    end: date


Where: TypeAlias = Mapping[str, Any]
"""Columns with a value or a `Range` each, as in records before masking. `{}` means all rows."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Everything that the vendor has of a stream inside `where` has been delivered."""

    stream: str
    where: Where = field(default_factory=dict)


class Written:
    """Counts the records of one stream by the values of the columns that claims name.

    Dates and instants are counted by day. The counts are in a temporary database, because a run may
    have millions of customers.

    Args:
        columns: the columns that claims may name.
        days: those of them that contain dates or instants.
    """

    def __init__(self, columns: Sequence[str], days: Sequence[str]) -> None:
        self._columns = columns
        self._days = days
        self._pending: Counter[tuple[Any, ...]] = Counter()
        self._database = temporary_database(self)
        names = [f"c{number}" for number in range(len(columns))]
        self._names = dict(zip(columns, names, strict=True))
        self._database.execute(
            f"CREATE TABLE written ({', '.join([*names, 'count'])}, UNIQUE ({', '.join(names)}))"
            if names
            else "CREATE TABLE written (count)"
        )
        marks = ", ".join("?" * (len(names) + 1))
        self._insert = f"INSERT INTO written VALUES ({marks})"  # noqa: S608 - names of our own
        if names:
            self._insert += " ON CONFLICT DO UPDATE SET count = count + excluded.count"

    def add(self, record: Mapping[str, Any]) -> None:
        """Count a record."""
        self._pending[tuple(map(record.__getitem__, self._columns))] += 1
        if len(self._pending) >= MOST_PENDING:
            self._store()

    def count(self, where: Where) -> int:
        """Return how many records are inside a claim, given in terms of records as written."""
        self._store()
        tests, values = ["TRUE"], []
        for name, value in where.items():
            if isinstance(value, Range):
                tests.append(f"{self._names[name]} >= ? AND {self._names[name]} < ?")
                values += [value.first.isoformat(), value.end.isoformat()]
            else:
                tests.append(f"{self._names[name]} = ?")
                values.append(self._cell(name, value))
        query = f"SELECT coalesce(sum(count), 0) FROM written WHERE {' AND '.join(tests)}"  # noqa: S608 - names of our own
        return int(self._database.execute(query, values).fetchone()[0])

    def _cell(self, name: str, value: Any) -> str:
        """Return a value as text; "" for null, which no claim contains."""
        if value is None:
            return ""
        return day_of(value).isoformat() if name in self._days else f"={value}"

    def _store(self) -> None:
        counts: Counter[tuple[str, ...]] = Counter()
        for values, count in self._pending.items():
            counts[tuple(map(self._cell, self._columns, values))] += count
        self._database.execute("BEGIN")
        self._database.executemany(self._insert, ((*cell, count) for cell, count in counts.items()))
        self._database.execute("COMMIT")
        self._pending.clear()


def as_written(where: Where, days: Mapping[str, str]) -> dict[str, Any]:
    """Return a claim's `where` as the STATE message has it.

    `days` are the formats (`date` or `date-time`) of the columns that contain dates or instants.
    """
    return {
        name: {"from": _bound(value.first, days[name]), "to": _bound(value.end, days[name])}
        if isinstance(value, Range)
        else value
        for name, value in where.items()
    }


def _bound(day: date, format_: str) -> str:
    return f"{day}T00:00:00Z" if format_ == "date-time" else day.isoformat()
