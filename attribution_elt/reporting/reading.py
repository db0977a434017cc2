"""Reads the data of the report from a warehouse."""

# ruff: noqa: S608 - identifiers and literals are quoted, and nothing else is put into SQL

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from target_warehouse.table_names import VERSIONS
from target_warehouse.warehouses.base import Adapter
from target_warehouse.warehouses.registry import is_through_dlt

from attribution_elt.core.dates import instant
from attribution_elt.core.errors import OneLineError, OpsError
from attribution_elt.core.events import REJECTED, RUNS
from attribution_elt.core.redaction import redactor
from attribution_elt.kit.revenue import RevenueSource
from attribution_elt.meltano.project import MODELS, Extractor, Loader
from attribution_elt.meltano.warehouse import existing, explained, missing_file, title_of
from attribution_elt.reporting import credit, revenue
from attribution_elt.reporting.attempts import Attempt
from attribution_elt.reporting.credit import Answers
from attribution_elt.reporting.revenue import Figure, Key, Note

HISTORY = timedelta(days=210)
"""Days before the page's whose changes show how late changes come."""


@dataclass(frozen=True)
class Run:
    """A run of a stream.

    Attributes:
        written: rows inserted or updated; records if the warehouse does not count them.
        rejected: records that the warehouse could not hold.
        complete: whether everything was loaded; None if the tap does not report that.
        message: why the run failed.
    """

    stream: str
    run_id: str
    started_at: datetime
    written: int
    rejected: int
    complete: bool | None
    message: str


@dataclass(frozen=True)
class Stream:
    """The state of a stream; None is unknown."""

    name: str
    rows: int | None
    loaded_at: datetime | None
    """When the last complete run finished."""
    newest: datetime | None
    """The greatest replication key."""


@dataclass(frozen=True)
class Rejects:
    """The rejected records of a stream."""

    stream: str
    records: int
    last: datetime


@dataclass
class Revenue:
    """A vendor's revenue by day and channel, current and recorded."""

    source: RevenueSource
    tap: str
    figures: dict[Key, Figure] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    missing: str | None = None
    unversioned: str | None = None
    """Why changes of the past are not known."""
    lookback_days: int | None = None
    """Days that each run of the tap reads again; None if that is no setting of the tap."""
    loaded_at: datetime | None = None
    """End of the last complete run."""


@dataclass
class Place:
    """A schema of the warehouse and the data that some taps have loaded into it."""

    taps: Sequence[Extractor]
    schema: str | None
    adapter: Adapter | None = None
    missing: list[str] = field(default_factory=list)
    unreadable: str | None = None
    """Why its tables cannot be read; `missing` has it too."""
    runs: list[Run] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    """Failed runs that are not in `runs`."""
    streams: list[Stream] = field(default_factory=list)
    rejects: list[Rejects] = field(default_factory=list)
    refused: int = 0
    """Journeys that the IHC model did not compute."""

    @property
    def name(self) -> str:
        """The names of the place's taps."""
        return ", ".join(tap.name for tap in self.taps)

    @property
    def is_configured(self) -> bool:
        """Whether any of its taps has credentials."""
        return any(tap.configured for tap in self.taps)

    def tap_of(self, stream: str) -> Extractor | None:
        """Return the tap of a stream."""
        return next((tap for tap in self.taps if stream in tap.tap.keys_by_stream()), None)


@dataclass
class Warehouse:
    """A loader's warehouse and its data, or the reason why it cannot be read."""

    loader: str
    title: str
    problem: str | None = None
    places: list[Place] = field(default_factory=list)
    revenues: list[Revenue] = field(default_factory=list)
    answers: Answers | None = None
    """Findings of the SQL models; None if they are not built, or cannot be read."""
    unanswered: str | None = None
    """Why the SQL models cannot be read."""
    is_past: bool = False
    """Whether this is what was known in the past. The SQL models have only current rows."""


def read(
    loader: Loader,
    extractors: Sequence[Extractor],
    since: datetime,
    attempts: Sequence[Attempt] = (),
    known_at: datetime | None = None,
) -> Warehouse:
    """Read the data of these extractors in a loader's warehouse.

    Runs before `since` are not read. With `known_at`, read what was known at that moment, from the
    versions of the rows.
    """
    warehouse = Warehouse(loader.name, title_of(loader.url), is_past=known_at is not None)
    if file := missing_file(loader.url):
        warehouse.problem = f"{file} does not exist: nothing has been loaded yet"
        return warehouse
    try:
        with explained(f"{warehouse.title} cannot be read"):
            with ExitStack() as opened:
                places = list(places_of(loader, extractors))
                for place in places:
                    open_place(loader, place, opened)
                    if place.adapter:
                        _look(place, place.adapter, since, known_at)
                    place.attempts = _unrecorded(place, loader, attempts)
                    if place.streams or place.attempts or place.is_configured:
                        warehouse.places.append(place)
                _fill(warehouse, since.date(), known_at)
            if not warehouse.is_past:
                _answer(warehouse, loader, since.date())
            if not warehouse.answers and not any(each.figures for each in warehouse.revenues):
                _check_readable(warehouse.title, [each for each in places if each.adapter])
    except OneLineError as error:
        warehouse.problem = str(error)
    return warehouse


def places_of(loader: Loader, extractors: Sequence[Extractor]) -> Iterator[Place]:
    """Yield each schema with its taps: those with credentials, if any has."""
    for schema in dict.fromkeys(loader.schema_of(each.load_schema) for each in extractors):
        taps = [each for each in extractors if loader.schema_of(each.load_schema) == schema]
        yield Place([each for each in taps if each.configured] or taps, schema)


def open_place(loader: Loader, place: Place, opened: ExitStack) -> None:
    """Connect to a schema if it exists."""
    if not place.is_configured and (is_through_dlt(loader.url) or not place.schema):
        return
    place.adapter = opened.enter_context(existing(loader.url, place.schema))
    if place.adapter is None:
        place.missing.append(f"The schema {place.schema} does not exist yet.")


def _unrecorded(place: Place, loader: Loader, attempts: Sequence[Attempt]) -> list[Attempt]:
    """Return the attempts of a place that have no row in `_runs`."""
    taps = {tap.name for tap in place.taps}
    starts = [run.started_at for run in place.runs]
    return [
        each
        for each in attempts
        if each.tap in taps and each.loader == loader.name and not each.is_among(starts)
    ]


def _fill(warehouse: Warehouse, since: date, known_at: datetime | None) -> None:
    """Read revenue by channel."""
    for place in warehouse.places:
        for tap in place.taps:
            source = tap.tap.revenue
            if not source or place.tap_of(source.stream) is not tap:
                continue
            if place.adapter:
                found = _revenue(place.adapter, tap, source, since, known_at)
            else:
                reason = f"the schema {place.schema} does not exist yet"
                found = Revenue(source, tap.name, missing=reason)
            loads = (each.loaded_at for each in place.streams if each.name == source.stream)
            found.loaded_at = next(loads, None)
            warehouse.revenues.append(found)


def _answer(warehouse: Warehouse, loader: Loader, since: date) -> None:
    """Read what the SQL models found."""
    if is_through_dlt(loader.url):
        return
    with existing(loader.url, loader.schema_named(MODELS)) as adapter:
        if adapter is None:
            return
        try:
            warehouse.answers = credit.answers(adapter, since)
        except adapter.errors as error:
            warehouse.unanswered = redactor(adapter.explain(error))
            adapter.rollback()


def _check_readable(title: str, places: Sequence[Place]) -> None:
    """Raise an error if there are schemas, and the user may read none of them."""
    reasons = dict.fromkeys(each.unreadable for each in places)
    if places and None not in reasons:
        raise OpsError(f"{title} cannot be read: {'; '.join(map(str, reasons))}")


def _look(place: Place, adapter: Adapter, since: datetime, known_at: datetime | None) -> None:
    """Read the streams and runs of a schema; errors are added to `missing`."""
    try:
        _count(place, adapter, since, known_at)
    except adapter.errors as error:
        place.unreadable = redactor(adapter.explain(error))
        place.missing.append(place.unreadable)
        adapter.rollback()


def _count(place: Place, adapter: Adapter, since: datetime, known_at: datetime | None) -> None:
    names = {name for tap in place.taps for name in tap.tap.keys_by_stream()}
    loaded: dict[str, tuple[datetime, datetime | None]] = {}
    if adapter.columns(RUNS):
        place.runs = list(_runs(adapter, since, known_at))
        loaded = {
            stream: (instant(at), newest and instant(newest))
            for stream, at, newest in adapter.execute(
                f"SELECT stream, MAX(finished_at), MAX(newest) FROM {adapter.path(RUNS)} "
                "WHERE (complete OR complete IS NULL) "
                f"AND {_until('finished_at', adapter, known_at)} GROUP BY stream"
            )
        }
    else:
        place.missing.append(
            f"Load times are unknown: without add_record_metadata the table {RUNS} does not exist."
        )
    for name in sorted(names | loaded.keys() | {run.stream for run in place.runs}):
        rows = _rows(adapter, name, known_at)
        if rows or name in loaded or (rows is not None and known_at is None):
            place.streams.append(Stream(name, rows, *loaded.get(name, (None, None))))
    if adapter.columns(REJECTED):
        place.rejects = [
            Rejects(stream, int(records), instant(last))
            for stream, records, last in adapter.execute(
                f"SELECT stream, COUNT(*), MAX(rejected_at) FROM {adapter.path(REJECTED)} "
                f"WHERE rejected_at >= {adapter.dialect.literal(f'{since:%Y-%m-%d}')} "
                f"AND {_until('rejected_at', adapter, known_at)} "
                "GROUP BY stream ORDER BY stream"
            )
        ]
    if place.tap_of(credit.REFUSED):
        place.refused = _rows(adapter, credit.REFUSED, known_at) or 0


def _rows(adapter: Adapter, table: str, known_at: datetime | None) -> int | None:
    """Return the number of rows of a table; None if the table, or its past, is not known."""
    if known_at is None:
        return adapter.count(table) if adapter.columns(table) else None
    versions = f"{table}{VERSIONS}"
    if not adapter.columns(versions):
        return None
    [(rows,)] = adapter.execute(
        f"SELECT COUNT(*) FROM {adapter.path(versions)} WHERE {revenue.valid_at(adapter, known_at)}"
    )
    return int(rows)


def _until(column: str, adapter: Adapter, known_at: datetime | None) -> str:
    """Return the condition that something had happened at a moment."""
    return f"{column} <= {adapter.value(known_at)}" if known_at else "1 = 1"


def _runs(adapter: Adapter, since: datetime, known_at: datetime | None) -> Iterator[Run]:
    rows: list[tuple[Any, ...]] = adapter.execute(
        "SELECT stream, run_id, started_at, records, inserted, updated, rejected, complete, "
        f"message FROM {adapter.path(RUNS)} "
        f"WHERE started_at >= {adapter.dialect.literal(f'{since:%Y-%m-%d}')} "
        f"AND {_until('finished_at', adapter, known_at)} ORDER BY started_at"
    )
    for stream, run_id, started_at, records, inserted, updated, rejected, complete, why in rows:
        written = records if inserted is None or updated is None else inserted + updated
        counts = int(written or 0), int(rejected or 0)
        text = redactor(why or "")
        yield Run(stream, run_id, instant(started_at), *counts, _flag(complete), text)


def _flag(value: Any) -> bool | None:
    return None if value is None else bool(value)


def _revenue(
    adapter: Adapter,
    tap: Extractor,
    source: RevenueSource,
    since: date,
    known_at: datetime | None,
) -> Revenue:
    found, setting = Revenue(source, tap.name), "lookback_days"
    default = tap.tap.config_jsonschema["properties"].get(setting, {}).get("default")
    found.lookback_days = tap.settings.get(setting, default)
    try:
        found.missing = revenue.missing(source, adapter, known_at)
        if not found.missing:
            found.figures = revenue.figures(adapter, source, known_at)
            found.unversioned = revenue.unversioned(source, adapter)
            found.notes = revenue.notes(adapter, source, since - HISTORY, known_at)
    except adapter.errors as error:
        found.missing = redactor(adapter.explain(error))
        adapter.rollback()
    return found
