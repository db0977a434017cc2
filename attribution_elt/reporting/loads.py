"""Sections on what the runs have brought: freshness and volume, failures and rejects."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from attribution_elt.reporting import plots
from attribution_elt.reporting.cards import Card, Section, Table, Tile, ago, counted, listed, minute
from attribution_elt.reporting.plots import Bar, Lane
from attribution_elt.reporting.reading import Place, Run, Stream, Warehouse

_STEPS = [timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6)]
_DAY = timedelta(days=1)
_MOST, _LEAST = 90, 24
"""Slots of time that runs are put into, at most (as far as a day goes) and at least."""
_COMPLETE, _REJECTS, _FAILED = "var(--good)", "var(--warn)", "var(--bad)"
LEGEND = ((_COMPLETE, "complete"), (_REJECTS, "with rejected records"), (_FAILED, "failed"))
_SEEN = 0.5
"""How high a bar is at least if somebody should see it."""
_LATEST = 30
"""Failures that are listed."""


def tiles(warehouses: Iterable[Warehouse], now: datetime, days: int) -> list[Tile]:
    """Return what to know first."""
    places = [place for each in warehouses for place in each.places]
    loads = [
        (stream.loaded_at, place.name, stream.name)
        for place in places
        for stream in place.streams
        if stream.loaded_at
    ]
    failed = len({run.run_id for place in places for run in place.runs if not run.complete})
    rejected = sum(each.records for place in places for each in place.rejects)
    never = "nothing is known of runs"
    newest, oldest = max(loads, default=None), min(loads, default=None)
    return [
        Tile("Loaded last", *((ago(newest[0], now), newest[1]) if newest else ("never", never))),
        Tile(
            "Longest without a load",
            *((ago(oldest[0], now), " · ".join(oldest[1:])) if oldest else ("never", never)),
        ),
        Tile("Failed runs", f"{failed:,}", f"in {days} days", bool(failed), "failed"),
        Tile("Rejected records", f"{rejected:,}", "of all times", bool(rejected), "failed"),
    ]


def freshness(warehouse: Warehouse, now: datetime) -> Section:
    """Tell of every stream when, and how much of it, has been loaded."""
    section = Section(
        "freshness",
        "Freshness and volume",
        "Rows that runs inserted or updated, each stream on its own scale. "
        "Where there is no bar, nothing ran.",
        LEGEND,
    )
    starts = [run.started_at for place in warehouse.places for run in place.runs]
    step = _step(now - min(starts, default=now))
    end = _floor(now, step) + step
    start = min(_floor(min(starts, default=now), step), end - _LEAST * step)
    for place in warehouse.places:
        card = Card(place.name, [f"{each[0].upper()}{each[1:]}." for each in place.missing])
        if place.streams:
            card.tables = [_streams(place)]
        if place.runs:
            lanes = [_lane(each, place.runs, step, now) for each in place.streams]
            card.plot = plots.lanes(lanes, start, end)
        elif not place.missing:
            card.lines.append("There has been no run of late.")
        section.cards.append(card)
    return section


def _step(span: timedelta) -> timedelta:
    return next((step for step in _STEPS if span / step <= _MOST), _DAY)


def _floor(moment: datetime, step: timedelta) -> datetime:
    epoch = datetime(2000, 1, 1, tzinfo=UTC)
    return epoch + (moment - epoch) // step * step


def _lane(stream: Stream, runs: Sequence[Run], step: timedelta, now: datetime) -> Lane:
    slots: dict[datetime, list[Run]] = defaultdict(list)
    for run in runs:
        if run.stream == stream.name:
            slots[_floor(run.started_at, step)].append(run)
    written = {slot: sum(run.written for run in of_slot) for slot, of_slot in slots.items()}
    most = max(written.values(), default=0) or 1
    bars = [
        Bar(
            slot,
            slot + step,
            0,
            max(written[slot] / most, 0 if _colour(of_slot) == _COMPLETE else _SEEN),
            _colour(of_slot),
            f"{stream.name}, {minute(slot)} UTC: {counted(written[slot], 'row')} in "
            f"{counted(len(of_slot), 'run')}{_fault(of_slot)}",
        )
        for slot, of_slot in slots.items()
    ]
    rows = "" if stream.rows is None else f"{counted(stream.rows, 'row')} · "
    age = ago(stream.loaded_at, now) if stream.loaded_at else "never whole"
    return Lane(stream.name, f"{rows}{age}", bars)


def _colour(runs: Iterable[Run]) -> str:
    every = list(runs)
    if not all(run.complete for run in every):
        return _FAILED
    return _REJECTS if any(run.rejected for run in every) else _COMPLETE


def _fault(runs: Sequence[Run]) -> str:
    failed = sum(not run.complete for run in runs)
    rejected = sum(run.rejected for run in runs)
    told = [f"{failed:,} failed"] if failed else []
    return "".join(f", {each}" for each in [*told, *([f"{rejected:,} rejected"] * bool(rejected))])


def _streams(place: Place) -> Table:
    rows = [
        (
            stream.name,
            "" if stream.rows is None else f"{stream.rows:,}",
            minute(stream.loaded_at),
            minute(stream.newest),
        )
        for stream in place.streams
    ]
    return Table("Streams", ("stream", "rows", "loaded whole", "newest record"), rows)


def failures(warehouse: Warehouse, days: int) -> Section:
    """Tell what failed, what was rejected, and what the model has refused."""
    section = Section("failed", "Failed and rejected", "What somebody may have to look after.")
    section.cards = [_failed(warehouse.places, days), _rejected(warehouse.places)]
    refused = sum(place.refused for place in warehouse.places)
    if refused:
        section.cards.append(
            Card(
                "Journeys without credits",
                [f"IHC has not computed {counted(refused, 'journey')}: failures says why."],
            )
        )
    return section


def _failed(places: Iterable[Place], days: int) -> Card:
    found: dict[tuple[datetime, str, str], list[str]] = defaultdict(list)
    for place in places:
        for run in place.runs:
            if not run.complete:
                found[run.started_at, place.name, run.message].append(run.stream)
    if not found:
        return Card("Failed runs", [f"No run has failed in the last {days} days."])
    latest = sorted(found.items(), reverse=True)
    rows = [
        (
            minute(started_at),
            tap,
            ", ".join(streams),
            "\n".join(listed(message.splitlines()))
            or "it did not come to its end; its log says why",
        )
        for (started_at, tap, message), streams in latest[:_LATEST]
    ]
    lines = [f"The latest {_LATEST} of {len(found):,}."] if len(found) > _LATEST else []
    head = ("began (UTC)", "tap", "streams", "why")
    return Card("Failed runs", lines, tables=[Table("", head, rows, 4, folded=False)], wide=True)


def _rejected(places: Iterable[Place]) -> Card:
    rows = [
        (place.name, each.stream, f"{each.records:,}", minute(each.last))
        for place in places
        for each in place.rejects
    ]
    if not rows:
        return Card("Rejected records", ["No record has been rejected."])
    lines = ["The table _rejected, beside the stream's own, has them with the reasons."]
    head = ("tap", "stream", "records", "last (UTC)")
    return Card("Rejected records", lines, tables=[Table("", head, rows, 2, folded=False)])
