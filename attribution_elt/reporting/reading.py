"""What the page tells of a warehouse, as it is found there."""

# ruff: noqa: S608 - identifiers and literals are quoted, and nothing else is put into SQL

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from target_warehouse.warehouses.base import Adapter
from target_warehouse.warehouses.registry import connect, is_through_dlt

from attribution_elt.core.dates import instant
from attribution_elt.core.errors import in_a_line
from attribution_elt.core.events import REJECTED, RUNS
from attribution_elt.core.redaction import redactor
from attribution_elt.meltano.project import Extractor, Loader
from attribution_elt.meltano.warehouse import file_of, has_schema, keep_secret, title_of
from attribution_elt.reporting import credit, revenue
from attribution_elt.reporting.credit import Comparison
from attribution_elt.reporting.revenue import SOURCES, Figure, Key, Note, Source


@dataclass(frozen=True)
class Run:
    """What a run brought to a stream."""

    stream: str
    run_id: str
    started_at: datetime
    written: int
    """Rows inserted or updated; records, where the warehouse does not tell."""
    rejected: int
    complete: bool
    message: str


@dataclass(frozen=True)
class Stream:
    """A stream, as it is now: what is not known is None."""

    name: str
    rows: int | None
    loaded_at: datetime | None
    """When a run last brought all of it."""
    newest: datetime | None


@dataclass(frozen=True)
class Rejects:
    """The records of a stream that the warehouse could not hold."""

    stream: str
    records: int
    last: datetime


@dataclass
class Revenue:
    """What a vendor credits its channels with, and what it did before."""

    source: Source
    tap: str
    figures: dict[Key, Figure] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    missing: str | None = None
    remark: str | None = None
    """Why what has changed could not be noted."""

    @property
    def vendor(self) -> str:
        """Whose figures they are."""
        return self.source.vendor


@dataclass
class Place:
    """A schema of the warehouse, and what some taps have loaded into it."""

    taps: Sequence[Extractor]
    schema: str | None
    adapter: Adapter | None = None
    missing: list[str] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    streams: list[Stream] = field(default_factory=list)
    rejects: list[Rejects] = field(default_factory=list)
    refused: int = 0
    """Journeys that the IHC model has not computed."""

    @property
    def name(self) -> str:
        """The names of its taps."""
        return ", ".join(tap.name for tap in self.taps)

    @property
    def is_configured(self) -> bool:
        """Whether any of its taps has credentials."""
        return any(tap.configured for tap in self.taps)

    def tap_of(self, stream: str) -> Extractor | None:
        """Return the tap that this stream comes from."""
        return next((tap for tap in self.taps if stream in _streams(tap)), None)


@dataclass
class Warehouse:
    """A loader's warehouse, and what is in it; if it cannot be read, the reason why."""

    loader: str
    title: str
    problem: str | None = None
    places: list[Place] = field(default_factory=list)
    revenues: list[Revenue] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    is_compared: bool = False
    """Whether IHC has credits."""


def read(loader: Loader, extractors: Sequence[Extractor], since: datetime) -> Warehouse:
    """Read what a loader's warehouse has of these extractors' data, with runs since then.

    Revenue that has changed is noted first.
    """
    keep_secret(loader.url)
    warehouse = Warehouse(loader.name, title_of(loader.url))
    file = file_of(loader.url)
    if file is not None and not file.exists():
        warehouse.problem = f"{file} is not there: nothing has been loaded yet"
        return warehouse
    try:
        with ExitStack() as opened:
            for place in _places(loader, extractors):
                _open(loader, place, opened)
                if place.adapter:
                    _look(place, place.adapter, since)
                if place.streams or place.is_configured:
                    warehouse.places.append(place)
            _fill(warehouse, loader)
    except Exception as error:  # noqa: BLE001 - each driver has its own
        warehouse.problem = f"it cannot be read: {redactor(in_a_line(error))}"
    return warehouse


def _places(loader: Loader, extractors: Sequence[Extractor]) -> Iterator[Place]:
    """Yield each schema with the taps that load into it: those with credentials, if any has."""
    for schema in dict.fromkeys(loader.schema_of(each) for each in extractors):
        taps = [each for each in extractors if loader.schema_of(each) == schema]
        yield Place([each for each in taps if each.configured] or taps, schema)


def _open(loader: Loader, place: Place, opened: ExitStack) -> None:
    """Connect to a schema if it is there: connecting to one that is not would make it."""
    if not is_through_dlt(loader.url) and place.schema:
        with closing(connect(loader.url, None)) as adapter:
            if adapter.schema and not has_schema(adapter, place.schema):
                place.missing.append(f"no schema {place.schema}: nothing has been loaded yet")
                return
    elif not place.is_configured:
        return
    place.adapter = opened.enter_context(closing(connect(loader.url, place.schema)))


def _fill(warehouse: Warehouse, loader: Loader) -> None:
    """Read what vendors, and the model, credit channels with."""
    credited = []
    for place in warehouse.places:
        for source in SOURCES:
            tap = place.tap_of(source.stream)
            if place.adapter and tap:
                found = _revenue(place.adapter, loader, source, tap.name)
                warehouse.revenues.append(found)
                if not found.missing:
                    credited.append((source, tap.name, place.adapter))
    for place in warehouse.places:
        if place.adapter and place.tap_of(credit.STREAM) and credit.is_there(place.adapter):
            warehouse.is_compared = True
            warehouse.comparisons += credit.comparisons(place.adapter, credited)


def _look(place: Place, adapter: Adapter, since: datetime) -> None:
    """Read what there is in a schema; what cannot be read is missing."""
    try:
        _count(place, adapter, since)
    except adapter.errors as error:
        place.missing.append(redactor(adapter.explain(error)))
        adapter.rollback()


def _count(place: Place, adapter: Adapter, since: datetime) -> None:
    names = {name for tap in place.taps for name in _streams(tap)}
    loaded: dict[str, tuple[datetime, datetime | None]] = {}
    if adapter.columns(RUNS):
        place.runs = list(_runs(adapter, since))
        loaded = {
            stream: (instant(at), newest and instant(newest))
            for stream, at, newest in adapter.execute(
                f"SELECT stream, MAX(finished_at), MAX(newest) FROM {adapter.path(RUNS)} "
                "WHERE complete GROUP BY stream"
            )
        }
    else:
        place.missing.append(
            f"no table {RUNS}: when what was loaded is not known (add_record_metadata keeps it)"
        )
    for name in sorted(names | loaded.keys() | {run.stream for run in place.runs}):
        rows = adapter.count(name) if adapter.columns(name) else None
        if rows is not None or name in loaded:
            place.streams.append(Stream(name, rows, *loaded.get(name, (None, None))))
    if adapter.columns(REJECTED):
        place.rejects = [
            Rejects(stream, int(records), instant(last))
            for stream, records, last in adapter.execute(
                f"SELECT stream, COUNT(*), MAX(rejected_at) FROM {adapter.path(REJECTED)} "
                "GROUP BY stream ORDER BY stream"
            )
        ]
    if place.tap_of(credit.REFUSED) and adapter.columns(credit.REFUSED):
        place.refused = adapter.count(credit.REFUSED)


def _runs(adapter: Adapter, since: datetime) -> Iterator[Run]:
    rows: list[tuple[Any, ...]] = adapter.execute(
        "SELECT stream, run_id, started_at, records, inserted, updated, rejected, complete, "
        f"message FROM {adapter.path(RUNS)} "
        f"WHERE started_at >= {adapter.dialect.literal(f'{since:%Y-%m-%d}')} "
        "ORDER BY started_at"
    )
    for stream, run_id, started_at, records, inserted, updated, rejected, complete, why in rows:
        written = records if inserted is None or updated is None else inserted + updated
        counts = int(written or 0), int(rejected or 0)
        text = redactor(why or "")
        yield Run(stream, run_id, instant(started_at), *counts, bool(complete), text)


def _revenue(adapter: Adapter, loader: Loader, source: Source, tap: str) -> Revenue:
    found = Revenue(source, tap)
    try:
        found.missing = source.missing(adapter)
        if not found.missing:
            found.figures = revenue.figures(adapter, loader, source)
            found.remark = _note(adapter, loader, found)
            found.notes = revenue.history(adapter, source)
    except adapter.errors as error:
        found.missing = redactor(adapter.explain(error))
        adapter.rollback()
    return found


def _note(adapter: Adapter, loader: Loader, found: Revenue) -> str | None:
    """Note what has changed; return why not, as where there is only the right to read."""
    try:
        revenue.note(adapter, loader, found.source, found.figures)
    except adapter.errors as error:
        adapter.rollback()
        return redactor(adapter.explain(error))
    return None


def _streams(extractor: Extractor) -> set[str]:
    types: Sequence[Any] = extractor.tap.stream_types
    return {each.name for each in types}
