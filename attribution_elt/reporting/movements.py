"""Restatements: changes of a day's revenue after the day was first complete."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import groupby

from attribution_elt.reporting.revenue import Note


@dataclass(frozen=True)
class Movement:
    """A change of one day's revenue, detected at one time.

    Attributes:
        day: the day of the conversions.
        noted_at: when the change was detected.
        moved: the change of the day's revenue.
        shifted: the revenue that moved from one channel to another.
        channels: the change of each channel's revenue.
    """

    day: date
    noted_at: datetime
    moved: Decimal
    shifted: Decimal
    channels: dict[str | None, Decimal] = field(default_factory=dict)

    @property
    def days_later(self) -> int:
        """Days between the day and the change."""
        return (self.noted_at.date() - self.day).days


@dataclass(frozen=True)
class Restated:
    """The revenue of a day when it was first complete, and its changes since."""

    day: date
    first: Decimal
    movements: list[Movement]


def restated(notes: Iterable[Note]) -> Iterator[Restated]:
    """Yield each day that is over, from notes in one currency in the order of time.

    A day is first complete in the first notes, about any day, after its end or its first load.
    """
    ordered = list(notes)
    moments = sorted({each.noted_at for each in ordered})
    by_day = sorted(ordered, key=lambda each: each.key.day)  # a stable sort keeps the order of time
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
        changes: dict[str | None, Decimal] = {}
        for each in group:
            before = channels.get(each.key.channel, Decimal())
            changes[each.key.channel] = each.figure.revenue - before
            channels[each.key.channel] = each.figure.revenue
        if noted_at <= first_seen:
            first = sum(channels.values(), Decimal())
            continue
        moved = sum(changes.values(), Decimal())
        shifted = (sum(map(abs, changes.values()), Decimal()) - abs(moved)) / 2
        if moved or shifted:
            movements.append(Movement(day, noted_at, moved, shifted, changes))
    return Restated(day, first, movements)
