"""The table `_revenue_history`: revenue by day and channel, with a row for each change.

Loads update rows, so no other table has the revenue of a day before its orders were restated.
"""

# ruff: noqa: S608 - identifiers and literals are quoted, and nothing else is put into SQL

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import pyarrow as pa
from target_warehouse.columns import Column, ColumnType
from target_warehouse.warehouses.base import Adapter
from target_warehouse.warehouses.registry import connect
from target_warehouse.warehouses.transaction import transact

from attribution_elt.core.dates import instant
from attribution_elt.core.errors import in_a_line
from attribution_elt.core.events import REVENUE_HISTORY, RUNS
from attribution_elt.kit.revenue import RevenueSource
from attribution_elt.meltano.display import Display
from attribution_elt.meltano.outcome import Outcome
from attribution_elt.meltano.project import Loader, Project
from attribution_elt.meltano.run_log import Pipeline

_COLUMNS = {
    "noted_at": Column(ColumnType.TIMESTAMP),
    "stream": Column(ColumnType.TEXT),
    "day": Column(ColumnType.DATE),
    "channel": Column(ColumnType.TEXT),
    "currency": Column(ColumnType.TEXT),
    "conversions": Column(ColumnType.NUMBER, 2),
    "revenue": Column(ColumnType.NUMBER, 2),
}
_TYPES = {
    "noted_at": pa.timestamp("us", "UTC"),
    "day": pa.date32(),
    **dict.fromkeys(("stream", "channel", "currency", "conversions", "revenue"), pa.string()),
}
_CENT = Decimal("0.01")


def missing(source: RevenueSource, adapter: Adapter) -> str | None:
    """Return which table or column of a source does not exist; None if all exist."""
    for table, names in source.columns.items():
        held = adapter.columns(table)
        if not held:
            return f"the table {table} does not exist"
        for name in names:
            if name not in held:
                return f"{table} has no column {name}"
    return None


def credits_of(source: RevenueSource, adapter: Adapter) -> str:
    """Return the SELECT of a source's credits, with the names of its tables."""
    return source.credits.format_map({table: adapter.path(table) for table in source.columns})


class Key(NamedTuple):
    """Day, channel and currency of a figure; None if the vendor does not send them."""

    day: date
    channel: str | None
    currency: str | None


class Figure(NamedTuple):
    """Conversions and revenue of a channel on a day (UTC)."""

    conversions: Decimal
    revenue: Decimal


NOTHING = Figure(Decimal("0.00"), Decimal("0.00"))


class Note(NamedTuple):
    """A figure, and when it was first recorded."""

    noted_at: datetime
    key: Key
    figure: Figure


def record_changes(project: Project, outcome: Outcome, display: Display) -> None:
    """Record the revenue that a run changed; if that is impossible, the display shows why."""
    for pipeline in outcome.log.pipelines.values():
        extractor = project.extractors.get(pipeline.tap)
        loader = project.loaders.get(pipeline.loader)
        source = extractor.tap.revenue if extractor else None
        if not (extractor and loader and source and _has_changed(pipeline, source.stream)):
            continue
        try:
            with closing(connect(loader.url, loader.schema_of(extractor))) as adapter:
                record(adapter, loader, source)
        except Exception as error:  # noqa: BLE001 - each driver has its own
            display.note(f"{REVENUE_HISTORY} could not be written: {in_a_line(error)}")


def _has_changed(pipeline: Pipeline, stream: str) -> bool:
    counts = pipeline.streams.get(stream)
    return counts is not None and counts.get("unchanged") != counts.get("records")


def record(
    adapter: Adapter,
    loader: Loader,
    source: RevenueSource,
    known: Mapping[Key, Figure] | None = None,
) -> int:
    """Record the figures that have changed; return their number.

    `known` are the current figures, if they were read before. After an incomplete run nothing is
    recorded: rows that are still missing are not restatements.
    """
    if missing(source, adapter) or not _is_complete(adapter, source):
        return 0
    now = datetime.now(UTC)

    def work() -> int:
        recorded = {each.key: each.figure for each in history(adapter, source)}
        found = figures(adapter, loader, source) if known is None else known
        changed = [
            (key, found.get(key, NOTHING))
            for key in (*found, *(recorded.keys() - found.keys()))
            if found.get(key, NOTHING) != recorded.get(key)
        ]
        if changed:
            _append(adapter, [Note(now, *each) for each in changed], source)
        return len(changed)

    return transact(adapter, work, once=True)


def _is_complete(adapter: Adapter, source: RevenueSource) -> bool:
    """Return whether the last load of the stream is not known to be incomplete."""
    if not adapter.columns(RUNS):
        return True
    rows = adapter.execute(
        f"SELECT complete FROM {adapter.path(RUNS)} "
        f"WHERE stream = {adapter.dialect.literal(source.stream)} "
        "ORDER BY started_at DESC LIMIT 1"
    )
    return not rows or rows[0][0] is None or bool(rows[0][0])


def _append(adapter: Adapter, notes: Sequence[Note], source: RevenueSource) -> None:
    rows = [
        {
            "noted_at": each.noted_at,
            "stream": source.stream,
            **each.key._asdict(),
            "conversions": str(each.figure.conversions),  # numbers are texts, as in a load
            "revenue": str(each.figure.revenue),
        }
        for each in notes
    ]
    table = pa.Table.from_pylist(rows, pa.schema([(name, _TYPES[name]) for name in _COLUMNS]))
    columns = adapter.ensure(REVENUE_HISTORY, _COLUMNS, ())
    adapter.append(REVENUE_HISTORY, table, {name: columns[name] for name in _COLUMNS})


def figures(adapter: Adapter, loader: Loader, source: RevenueSource) -> dict[Key, Figure]:
    """Return the current figures."""
    # SQLite has no dates: a cast returns the year
    day = "substr(moment, 1, 10)" if loader.url.startswith("sqlite:") else "CAST(moment AS date)"
    rows = adapter.execute(
        f"SELECT {day}, channel, currency, SUM(share), SUM(amount) "
        f"FROM ({credits_of(source, adapter)}) AS credit WHERE moment IS NOT NULL "
        f"GROUP BY {day}, channel, currency"
    )
    return {
        Key(day_of(day), channel, currency): _figure(share, amount)
        for day, channel, currency, share, amount in rows
    }


def history(adapter: Adapter, source: RevenueSource) -> list[Note]:
    """Return the recorded figures in the order of time."""
    if not adapter.columns(REVENUE_HISTORY):
        return []
    rows = adapter.execute(
        "SELECT noted_at, day, channel, currency, conversions, revenue "
        f"FROM {adapter.path(REVENUE_HISTORY)} "
        f"WHERE stream = {adapter.dialect.literal(source.stream)} "
        "ORDER BY noted_at"
    )
    return [
        Note(instant(at), Key(day_of(day), channel, currency), _figure(conversions, revenue))
        for at, day, channel, currency, conversions, revenue in rows
    ]


def _figure(conversions: Any, revenue: Any) -> Figure:
    return Figure(_rounded(conversions), _rounded(revenue))


def _rounded(number: Any) -> Decimal:
    return Decimal(str(number or 0)).quantize(_CENT)


def day_of(value: Any) -> date:
    """Return a date, given a warehouse's result value."""
    return date.fromisoformat(str(value)[:10])
