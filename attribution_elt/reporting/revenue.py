"""Revenue by day and channel, as it is and as it was known before.

The views `<table>__versions` have all versions of the rows since the loader's setting `history`
names their stream. Nothing else is kept: figures of the past are queries of the versions.
"""

# ruff: noqa: S608 - identifiers and literals are quoted, and nothing else is put into SQL

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Context, Decimal
from typing import Any, NamedTuple

from target_warehouse.table_names import VERSIONS
from target_warehouse.warehouses.base import Adapter
from target_warehouse.warehouses.history import DELETED_AT, VALID_FROM, VALID_TO

from attribution_elt.core.dates import instant
from attribution_elt.core.events import RUNS
from attribution_elt.kit.revenue import KNOWN_FROM, KNOWN_UNTIL, RevenueSource

_CENT, _MICRO = Decimal("0.01"), Decimal("0.000001")
_WIDE = Context(prec=80)


class Key(NamedTuple):
    """Day, channel and currency of a figure; None if the vendor does not send them."""

    day: date
    channel: str | None
    currency: str | None


class Figure(NamedTuple):
    """Conversions and revenue of a channel on a day (UTC)."""

    conversions: Decimal
    revenue: Decimal


class Note(NamedTuple):
    """A figure that a run has changed, and the end of the run."""

    noted_at: datetime
    key: Key
    figure: Figure


def missing(
    source: RevenueSource, adapter: Adapter, known_at: datetime | None = None
) -> str | None:
    """Return which table or column a query lacks; None if it has all.

    `known_at` is a moment of the past, whose figures only versions have.
    """
    for table, names in source.columns.items():
        held = adapter.columns(table)
        if not held:
            return f"the table {table} does not exist"
        for name in names:
            if name not in held:
                return f"{table} has no column {name}"
    return unversioned(source, adapter) if known_at else None


def unversioned(source: RevenueSource, adapter: Adapter) -> str | None:
    """Return why changes of the past are not known; None if they are."""
    without = [each for each in source.columns if not adapter.columns(f"{each}{VERSIONS}")]
    if not without:
        return None
    return f"no old versions of {', '.join(without)} are kept (setting history of the loader)"


def valid_at(adapter: Adapter, moment: datetime) -> str:
    """Return the condition that a version was valid at a moment."""
    at, (start, end) = (
        adapter.value(moment),
        map(adapter.dialect.identifier, (VALID_FROM, VALID_TO)),
    )
    return f"{start} <= {at} AND ({end} IS NULL OR {end} > {at})"


def figures(
    adapter: Adapter, source: RevenueSource, known_at: datetime | None = None
) -> dict[Key, Figure]:
    """Return the current figures, or those that were known at a moment."""
    tables = {}
    for table in source.columns:
        path = adapter.path(f"{table}{VERSIONS}" if known_at else table)
        conditions = [_is_live(adapter, table)]
        if known_at:
            conditions.append(valid_at(adapter, known_at))
        tables[table] = (
            f"(SELECT 0 AS {KNOWN_FROM}, NULL AS {KNOWN_UNTIL}, every.* FROM {path} AS every "
            f"WHERE {' AND '.join(conditions)})"
        )
    day = adapter.day("moment")
    rows = adapter.execute(
        f"SELECT {day}, channel, currency, SUM(share), SUM(amount) "
        f"FROM ({source.credits.format_map(tables)}) AS credit WHERE moment IS NOT NULL "
        f"GROUP BY {day}, channel, currency"
    )
    return {
        Key(day_of(day), channel, currency): Figure(
            _rounded(share, _MICRO), _rounded(amount, _MICRO)
        )
        for day, channel, currency, share, amount in sorted(rows, key=str)
    }


def notes(
    adapter: Adapter, source: RevenueSource, since: date, known_at: datetime | None = None
) -> list[Note]:
    """Return the figures of the days since `since` that runs have changed, in the order of time.

    Changes of an incomplete run count with the next complete run: rows that are still to come are
    not restatements.
    """
    runs = _complete_runs(adapter, source, known_at)
    if not runs or unversioned(source, adapter):
        return []
    deltas: dict[int, defaultdict[Key, list[Decimal]]] = {}
    for key, start, until, share, amount in _spans(adapter, source, since):
        for moment, sign in ((start, 1), (until, -1)):
            number = len(runs) if moment is None else bisect_left(runs, moment)
            if number < len(runs):
                of_run = deltas.setdefault(number, defaultdict(lambda: [Decimal(), Decimal()]))
                of_run[key][0] += sign * share
                of_run[key][1] += sign * amount
    return list(_summed(runs, deltas))


def _summed(
    runs: list[datetime], deltas: Mapping[int, Mapping[Key, list[Decimal]]]
) -> Iterator[Note]:
    sums: defaultdict[Key, list[Decimal]] = defaultdict(lambda: [Decimal(), Decimal()])
    known: dict[Key, Figure] = {}
    for number in sorted(deltas):
        for key, changes in sorted(deltas[number].items(), key=str):
            total = sums[key]
            total[0] += changes[0]
            total[1] += changes[1]
            figure = Figure(_rounded(total[0]), _rounded(total[1]))
            if known.get(key) != figure:
                known[key] = figure
                yield Note(runs[number], key, figure)


def _complete_runs(
    adapter: Adapter, source: RevenueSource, known_at: datetime | None
) -> list[datetime]:
    """Return the ends of the runs of a source that are not known to be incomplete."""
    if not adapter.columns(RUNS):
        return []
    rows = adapter.execute(
        f"SELECT finished_at FROM {adapter.path(RUNS)} "
        f"WHERE stream = {adapter.dialect.literal(source.stream)} "
        "AND (complete OR complete IS NULL)"
    )
    ends = sorted(instant(end) for (end,) in rows)
    return [end for end in ends if known_at is None or end <= known_at]


def _spans(
    adapter: Adapter, source: RevenueSource, since: date
) -> Iterator[tuple[Key, datetime, datetime | None, Decimal, Decimal]]:
    """Yield sums of credits with the time for which they were known.

    The rows of a conversion may be in several tables. They are joined again for each moment at
    which one of them changed.
    """
    name = adapter.dialect.identifier
    moments, tables, parts = [], {}, []
    for number, (table, column) in enumerate(source.conversions.items()):
        path = adapter.path(f"{table}{VERSIONS}")
        moments += [
            f"SELECT {name(column)} AS conversion, {name(bound)} AS moment FROM {path} "
            f"WHERE {name(bound)} IS NOT NULL"
            for bound in (VALID_FROM, VALID_TO)
        ]
        tables[table] = f"known_{number}"
        parts.append(
            f"known_{number} AS {adapter.materialized}(SELECT known.{KNOWN_FROM}, "
            f"known.{KNOWN_UNTIL}, every.* FROM known "
            f"JOIN {path} AS every ON every.{name(column)} = known.conversion "
            f"AND every.{name(VALID_FROM)} <= known.{KNOWN_FROM} "
            f"AND (every.{name(VALID_TO)} IS NULL OR every.{name(VALID_TO)} > known.{KNOWN_FROM}) "
            f"WHERE {_is_live(adapter, table)})"
        )
    known = (
        f"known AS {adapter.materialized}(SELECT conversion, moment AS {KNOWN_FROM}, "
        f"LEAD(moment) OVER (PARTITION BY conversion ORDER BY moment) AS {KNOWN_UNTIL} "
        f"FROM ({' UNION '.join(moments)}) AS moments)"
    )
    day = adapter.day("moment")
    credits_ = f"WITH {', '.join([known, *parts])} {source.credits.format_map(tables)}"
    rows = adapter.execute(
        f"SELECT {day}, channel, currency, {KNOWN_FROM}, {KNOWN_UNTIL}, SUM(share), SUM(amount) "
        f"FROM ({credits_}) AS credit WHERE moment >= {adapter.dialect.literal(str(since))} "
        f"GROUP BY {day}, channel, currency, {KNOWN_FROM}, {KNOWN_UNTIL}"
    )
    for found, channel, currency, start, until, share, amount in rows:
        key = Key(day_of(found), channel, currency)
        end = None if until is None else instant(until)
        yield key, instant(start), end, _exact(share), _exact(amount)


def _is_live(adapter: Adapter, table: str) -> str:
    """Return the condition that the vendor has a row of the table `every`."""
    if DELETED_AT not in adapter.columns(table):
        return "1 = 1"
    return f"every.{adapter.dialect.identifier(DELETED_AT)} IS NULL"


def _exact(number: Any) -> Decimal:
    return Decimal(str(number or 0))


def _rounded(number: Any, unit: Decimal = _CENT) -> Decimal:
    return _exact(number).quantize(unit, context=_WIDE)


def day_of(value: Any) -> date:
    """Return a date, given the value that a warehouse returned for it."""
    return date.fromisoformat(str(value)[:10])
