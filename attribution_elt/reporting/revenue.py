"""The table `_revenue_history`: what each day's revenue has been, and since when.

Rows are upserted, so what a day was worth before its orders were restated is nowhere else. Only
figures that have changed are added to it.
"""

# ruff: noqa: S608 - identifiers and literals are quoted, and nothing else is put into SQL

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Source:
    """A vendor's own credits, and where they are.

    Attributes:
        vendor: its name.
        stream: whose runs bring them.
        columns: those that are read, by table.
        credits: SELECT of a row for each share of a conversion: `conversion` (its id, a text),
            `moment`, `channel`, `currency`, `share` and `amount`; tables stand in braces.
    """

    vendor: str
    stream: str
    columns: Mapping[str, Sequence[str]]
    credits: str

    def missing(self, adapter: Adapter) -> str | None:
        """Say which table or column there is not."""
        for table, names in self.columns.items():
            held = adapter.columns(table)
            if not held:
                return f"there is no table {table}"
            for name in names:
                if name not in held:
                    return f"{table} has no column {name}"
        return None

    def select(self, adapter: Adapter) -> str:
        """Return `credits` with its tables."""
        return self.credits.format_map({table: adapter.path(table) for table in self.columns})


SOURCES = (
    Source(
        vendor="ECDP",
        stream="attributed_orders",
        columns={
            "attributed_orders": (
                "order_id",
                "order_date_time",
                "channel",
                "reporting_currency",
                "order_value_converted",
            )
        },
        credits="""
            SELECT order_id AS conversion, order_date_time AS moment, channel,
                reporting_currency AS currency, 1 AS share, order_value_converted AS amount
            FROM {attributed_orders}""",
    ),
    Source(
        vendor="Attribution.io",
        stream="event_attributions",
        columns={
            "event_attributions": (
                "event_id",
                "attribution_model_name",
                "medium_name",
                "weight",
                "event_weighted_amount",
            ),
            "events": ("id", "created_at"),
        },
        # an event that several models share out counts once: each model for its part
        credits="""
            SELECT CAST(credit.event_id AS varchar) AS conversion, event.created_at AS moment,
                credit.medium_name AS channel, CAST(NULL AS varchar) AS currency,
                credit.weight / 100.0 / counted.models AS share,
                credit.event_weighted_amount / counted.models AS amount
            FROM {event_attributions} AS credit
            JOIN {events} AS event ON event.id = credit.event_id
            JOIN (
                SELECT event_id, COUNT(DISTINCT COALESCE(attribution_model_name, '')) AS models
                FROM {event_attributions}
                GROUP BY event_id
            ) AS counted ON counted.event_id = credit.event_id
            WHERE credit.event_weighted_amount IS NOT NULL""",
    ),
)


class Key(NamedTuple):
    """What a figure is of; a channel or a currency that is not told is None."""

    day: date
    channel: str | None
    currency: str | None


class Figure(NamedTuple):
    """What a channel is credited with on a day (UTC)."""

    conversions: Decimal
    revenue: Decimal


NOTHING = Figure(Decimal("0.00"), Decimal("0.00"))


class Note(NamedTuple):
    """A figure, and when it was first found to be so."""

    noted_at: datetime
    key: Key
    figure: Figure


def record_changes(project: Project, outcome: Outcome, display: Display) -> None:
    """Record the revenue that a run changed; the display shows why that is not possible."""
    for pipeline in outcome.log.pipelines.values():
        sources = [each for each in SOURCES if _has_changed(pipeline, each.stream)]
        loader = project.loaders.get(pipeline.loader) if sources else None
        if loader is None:
            continue
        try:
            schema = loader.schema_of(project.extractor(pipeline.tap))
            with closing(connect(loader.url, schema)) as adapter:
                for source in sources:
                    note(adapter, loader, source)
        except Exception as error:  # noqa: BLE001 - each driver has its own
            display.note(f"{REVENUE_HISTORY} could not be written: {in_a_line(error)}")


def _has_changed(pipeline: Pipeline, stream: str) -> bool:
    counts = pipeline.streams.get(stream)
    return counts is not None and counts.get("unchanged") != counts.get("records")


def note(
    adapter: Adapter, loader: Loader, source: Source, known: Mapping[Key, Figure] | None = None
) -> int:
    """Add the figures that are not as they were noted last; return how many.

    `known` are the figures of now, where they have been read already: that takes a whole table.
    Nothing is noted after a run that did not bring all: what is still to come is no restatement.
    """
    if source.missing(adapter) or not _is_whole(adapter, source):
        return 0
    now = datetime.now(UTC)

    def work() -> int:
        noted = {each.key: each.figure for each in history(adapter, source)}
        found = figures(adapter, loader, source) if known is None else known
        changed = [
            (key, found.get(key, NOTHING))
            for key in (*found, *(noted.keys() - found.keys()))
            if found.get(key, NOTHING) != noted.get(key)
        ]
        if changed:
            _append(adapter, [Note(now, *each) for each in changed], source)
        return len(changed)

    return transact(adapter, work, once=True)


def _is_whole(adapter: Adapter, source: Source) -> bool:
    """Tell whether the last run that loaded this stream came to its end, as far as is known."""
    if not adapter.columns(RUNS):
        return True
    rows = adapter.execute(
        f"SELECT complete FROM {adapter.path(RUNS)} "
        f"WHERE stream = {adapter.dialect.literal(source.stream)} "
        "ORDER BY started_at DESC LIMIT 1"
    )
    return not rows or bool(rows[0][0])


def _append(adapter: Adapter, notes: Sequence[Note], source: Source) -> None:
    rows = [
        {
            "noted_at": each.noted_at,
            "stream": source.stream,
            **each.key._asdict(),
            "conversions": str(each.figure.conversions),  # as a loader's numbers: texts
            "revenue": str(each.figure.revenue),
        }
        for each in notes
    ]
    table = pa.Table.from_pylist(rows, pa.schema([(name, _TYPES[name]) for name in _COLUMNS]))
    columns = adapter.ensure(REVENUE_HISTORY, _COLUMNS, ())
    adapter.append(REVENUE_HISTORY, table, {name: columns[name] for name in _COLUMNS})


def figures(adapter: Adapter, loader: Loader, source: Source) -> dict[Key, Figure]:
    """Return what the warehouse says now."""
    # SQLite has no dates, and would take the year
    day = "substr(moment, 1, 10)" if loader.url.startswith("sqlite:") else "CAST(moment AS date)"
    rows = adapter.execute(
        f"SELECT {day}, channel, currency, SUM(share), SUM(amount) "
        f"FROM ({source.select(adapter)}) AS credit WHERE moment IS NOT NULL "
        f"GROUP BY {day}, channel, currency"
    )
    return {
        Key(day_of(day), channel, currency): _figure(share, amount)
        for day, channel, currency, share, amount in rows
    }


def history(adapter: Adapter, source: Source) -> list[Note]:
    """Return what has been noted, in the order of time."""
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
    """Return a date as any warehouse hands it out."""
    return date.fromisoformat(str(value)[:10])
