"""How far a day's revenue has moved after the day, and when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import groupby

from attribution_elt.reporting.revenue import Note


@dataclass(frozen=True)
class Movement:
    """What was found to have changed of one day, at one time.

    Attributes:
        day: whose revenue it is.
        noted_at: when it was found.
        moved: by how much its revenue has grown, or shrunk.
        shifted: what one channel has lost to another, besides.
    """

    day: date
    noted_at: datetime
    moved: Decimal
    shifted: Decimal

    @property
    def days_later(self) -> int:
        """How long after the day, in days."""
        return (self.noted_at.date() - self.day).days


@dataclass(frozen=True)
class Restated:
    """What a day was worth when it was first seen as a whole, and what has become of it."""

    day: date
    first: Decimal
    movements: list[Movement]


def restated(notes: Iterable[Note]) -> Iterator[Restated]:
    """Yield each day that is over, of notes in one currency and in the order of time.

    What is noted while a day goes on is not restated: it is first seen as a whole by the first
    notes, of whichever days, that were taken after it. Nor is a day that is loaded late.
    """
    ordered = list(notes)
    moments = sorted({each.noted_at for each in ordered})
    by_day = sorted(ordered, key=lambda each: each.key.day)  # stable: still in the order of time
    for day, group in groupby(by_day, key=lambda each: each.key.day):
        of_day = list(group)
        over = datetime.combine(day + timedelta(days=1), time(), UTC)
        since = max(over, of_day[0].noted_at)
        first_seen = next((each for each in moments if each >= since), None)
        if first_seen is not None:
            yield _restated(day, first_seen, of_day)


def _restated(day: date, first_seen: datetime, notes: Iterable[Note]) -> Restated:
    channels: dict[str | None, Decimal] = {}
    first = Decimal()
    movements = []
    for noted_at, group in groupby(notes, key=lambda each: each.noted_at):
        changes = []
        for each in group:
            before = channels.get(each.key.channel, Decimal())
            changes.append(each.figure.revenue - before)
            channels[each.key.channel] = each.figure.revenue
        if noted_at <= first_seen:
            first = sum(channels.values(), Decimal())
            continue
        moved = sum(changes, Decimal())
        shifted = (sum(map(abs, changes), Decimal()) - abs(moved)) / 2
        if moved or shifted:
            movements.append(Movement(day, noted_at, moved, shifted))
    return Restated(day, first, movements)
