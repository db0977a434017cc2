"""Sections about runs: freshness and volume, failures and rejected records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime

from attribution_elt.core.text import counted
from attribution_elt.reporting import plots
from attribution_elt.reporting.amounts import Window
from attribution_elt.reporting.cards import Card, Column, Plot, Section, Table, Tile, listed, minute
from attribution_elt.reporting.reading import Place, Run, Stream, Warehouse

_COMPLETE, _REJECTS, _FAILED = "var(--good)", "var(--warn)", "var(--bad)"
LEGEND = ((_COMPLETE, "complete"), (_REJECTS, "with rejected records"), (_FAILED, "failed"))
SEEN = 0.5
"""Minimum height of a bar that needs attention."""
LATEST = 30
"""Number of failures listed."""
ENDED_EARLY = "it ended early; its log has the reason: scripts/meltano logs list"

Failure = tuple[datetime, str, str, str]
"""Start, tap, streams and reason."""


def tiles(warehouses: Iterable[Warehouse], window: Window) -> list[Tile]:
    """Return the tiles of the header."""
    places = [place for each in warehouses for place in each.places]
    loads = [
        (stream.loaded_at, f"{place.name} · {stream.name}")
        for place in places
        for stream in place.streams
        if stream.loaded_at
    ]
    failed = len({(each[0], each[1]) for place in places for each in _failures(place)})
    rejected = sum(each.records for place in places for each in place.rejects)
    newest, oldest = max(loads, default=None), min(loads, default=None)
    found = [
        Tile(name, minute(each[0] if each else None), each[1] if each else "", "freshness")
        for name, each in (("Last load", newest), ("Oldest load of a stream", oldest))
    ]
    return [
        *found,
        Tile("Failed runs", f"{failed:,}", str(window), "failed", bool(failed)),
        Tile("Rejected records", f"{rejected:,}", str(window), "failed", bool(rejected)),
    ]


def freshness(warehouse: Warehouse, window: Window) -> Section:
    """Show when each stream was loaded, how new its data is, and what each day's runs loaded."""
    section = Section(
        "freshness",
        "Freshness and volume",
        "The bars are the rows that the runs of a day inserted or updated, each stream on its own "
        "scale. On days without a bar, no run started.",
        LEGEND,
    )
    for place in warehouse.places:
        card = Card(place.name, list(place.missing))
        if place.streams:
            card.tables = [_streams(place, window)]
        if not place.runs and not place.missing:
            card.lines.append(f"No run from {window}.")
        section.cards.append(card)
    return section


def _streams(place: Place, window: Window) -> Table:
    columns = (
        Column("stream"),
        Column("rows", "count"),
        Column("loaded completely (UTC)", "instant"),
        Column("newest record (UTC)", "instant"),
    )
    rows = [(each.name, each.rows, each.loaded_at, each.newest) for each in place.streams]
    lanes = [_lane(each, place.runs, window) for each in place.streams]
    return Table(f"Freshness, {place.name}", columns, rows, plots=lanes)


def _lane(stream: Stream, runs: Sequence[Run], window: Window) -> Plot:
    days: dict[date, list[Run]] = defaultdict(list)
    for run in runs:
        if run.stream == stream.name and run.started_at.date() in window:
            days[run.started_at.date()].append(run)
    written = {day: sum(run.written for run in of_day) for day, of_day in days.items()}
    most = max(written.values(), default=0) or 1
    bars = [
        (
            day,
            max(written[day] / most, 0 if _colour(of_day) == _COMPLETE else SEEN),
            _colour(of_day),
            f"{day}: {counted(written[day], 'row')} {_runs_of(of_day)}",
        )
        for day, of_day in days.items()
    ]
    return plots.lane(bars, window.first, window.last)


def _colour(runs: Sequence[Run]) -> str:
    if any(run.complete is False for run in runs):
        return _FAILED
    return _REJECTS if any(run.rejected for run in runs) else _COMPLETE


def _runs_of(runs: Sequence[Run]) -> str:
    failed = sum(run.complete is False for run in runs)
    rejected = sum(run.rejected for run in runs)
    text = f"in {counted(len(runs), 'run')}" + (f", {failed:,} failed" if failed else "")
    return text + (f", {rejected:,} rejected" if rejected else "")


def failures(warehouse: Warehouse, window: Window) -> Section:
    """Show runs that failed, records that were rejected, and journeys without credits."""
    section = Section("failed", "Failed and rejected", f"Runs and records of {window}.")
    section.cards = [_failed(warehouse.places, window), _rejected(warehouse.places)]
    refused = sum(place.refused for place in warehouse.places)
    if refused:
        text = f"IHC has not computed {counted(refused, 'journey')} in all; the table failures"
        section.cards.append(Card("Journeys without credits", [f"{text} has the reasons."]))
    return section


def _failures(place: Place) -> Iterator[Failure]:
    """Yield the failed runs of a place: those in `_runs`, and those only in Meltano's history."""
    found: dict[tuple[datetime, str], list[str]] = defaultdict(list)
    for run in place.runs:
        if run.complete is False:
            found[run.started_at, run.message].append(run.stream)
    for (started_at, message), streams in found.items():
        why = "\n".join(listed(message.splitlines())) or ENDED_EARLY
        yield started_at, place.name, ", ".join(streams), why
    for each in place.attempts:
        log = f"it failed before the loader had data: scripts/meltano logs show {each.log_id}"
        yield each.started_at, each.tap, "", log


def _failed(places: Iterable[Place], window: Window) -> Card:
    found = sorted((each for place in places for each in _failures(place)), reverse=True)
    if not found:
        return Card("Failed runs", [f"No run failed from {window}."])
    lines = [f"The latest {LATEST} of {len(found):,}."] if len(found) > LATEST else []
    columns = (
        Column("started (UTC)", "instant"),
        Column("tap"),
        Column("streams"),
        Column("reason"),
    )
    return Card("Failed runs", lines, tables=[Table("Failed runs", columns, found[:LATEST])])


def _rejected(places: Iterable[Place]) -> Card:
    rows = [
        (place.name, each.stream, each.records, each.last)
        for place in places
        for each in place.rejects
    ]
    if not rows:
        return Card("Rejected records", ["No record was rejected."])
    columns = (
        Column("tap"),
        Column("stream"),
        Column("records", "count"),
        Column("last (UTC)", "instant"),
    )
    lines = ["The table _rejected in the schema of the tap has the records with the reasons."]
    return Card("Rejected records", lines, tables=[Table("Rejected records", columns, rows)])
