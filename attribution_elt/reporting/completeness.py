"""The completeness of a day's revenue at an age, judged by earlier days."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from math import ceil, floor
from statistics import median

from attribution_elt.reporting.revenue import Note

LEVEL = 0.9
"""Nominal share of the intervals that contain the completeness of a new day."""
LEAST_DAYS = 19
"""Days from which on an interval of this level can be given."""
_NEGLIGIBLE = Decimal("0.001")
"""Part of the restated revenue that may come too late to be read."""


@dataclass(frozen=True)
class Course:
    """The revenue of a day as it became known, by age in days.

    Attributes:
        first: age at which the day was first loaded.
        amounts: revenue by age from `first` on, up to the horizon.
    """

    day: date
    first: int
    amounts: Sequence[Decimal]

    @property
    def final(self) -> Decimal:
        """The revenue at the horizon."""
        return self.amounts[-1]

    def share(self, age: int) -> float | None:
        """Return the share of the final revenue at an age; None before the first load."""
        if age < self.first or self.final <= 0:
            return None
        return float(self.amounts[age - self.first] / self.final)


@dataclass(frozen=True)
class Completeness:
    """The share of the final revenue that days of an age have.

    Attributes:
        age: days after the day.
        middle: the median.
        low: the interval's lower end; None if there are too few days.
        high: the upper end.
    """

    age: int
    middle: float
    low: float | None
    high: float | None
    days: int


def courses(
    notes: Iterable[Note], horizon: int, until: date, channel: str | None = None
) -> list[Course]:
    """Return the courses of the days that have reached the horizon.

    Args:
        notes: changes in one currency, in the order of time.
        horizon: age in days from which on a day counts as final.
        until: day of the last complete load.
        channel: the only channel to count; None: all.
    """
    by_day: defaultdict[date, list[Note]] = defaultdict(list)
    for each in notes:
        by_day[each.key.day].append(each)
    found = []
    for day, of_day in sorted(by_day.items()):
        if day + timedelta(days=horizon) <= until:
            course = _course(day, of_day, horizon, channel)
            if course is not None:
                found.append(course)
    return found


def _course(day: date, notes: Sequence[Note], horizon: int, channel: str | None) -> Course | None:
    channels: dict[str | None, Decimal] = {}
    ages: list[int] = []
    sums: list[Decimal] = []
    for each in notes:
        if channel in {None, each.key.channel}:
            channels[each.key.channel] = each.figure.revenue
        ages.append((each.noted_at.date() - day).days)
        sums.append(sum(channels.values(), Decimal()))
    first = max(ages[0], 0)
    if first > horizon:
        return None
    amounts = [sums[bisect_right(ages, age) - 1] for age in range(first, horizon + 1)]
    return Course(day, first, amounts)


def completeness(courses: Sequence[Course], age: int) -> Completeness | None:
    """Return the completeness at an age; None if no day was loaded at that age.

    The interval contains the share of a new day with the probability `LEVEL`, if days are alike:
    its ends are the order statistics that a new value exceeds, or is below, with half the rest.
    """
    shares = sorted(share for each in courses if (share := each.share(age)) is not None)
    if not shares:
        return None
    low = high = None
    if len(shares) >= LEAST_DAYS:
        tail = (1 - LEVEL) / 2 * (len(shares) + 1)
        low = _between(shares, tail)
        high = _between(shares, len(shares) + 1 - tail)
    return Completeness(age, median(shares), low, high, len(shares))


def _between(values: Sequence[float], place: float) -> float:
    """Return the value at a position that is counted from 1 and may be between two values."""
    lower, upper = max(floor(place), 1), min(ceil(place), len(values))
    part = place - lower
    return values[lower - 1] * (1 - part) + values[upper - 1] * part


def restated_by_age(notes: Iterable[Note]) -> dict[int, Decimal]:
    """Return the restated revenue by the age at which it changed: sums of absolute changes.

    The first figure of a day, and changes until the day is over, are not restatements.
    """
    known: dict[tuple[date, str | None], Decimal] = {}
    first: dict[date, int] = {}
    found: defaultdict[int, Decimal] = defaultdict(Decimal)
    for each in notes:
        day, channel = each.key.day, each.key.channel
        age = (each.noted_at.date() - day).days
        before = known.get((day, channel), Decimal())
        known[day, channel] = each.figure.revenue
        if age > max(first.setdefault(day, age), 1):
            found[age] += abs(each.figure.revenue - before)
    return dict(found)


def enough_days(restated: Mapping[int, Decimal]) -> int:
    """Return the look-back that catches all but a negligible part of the restated revenue."""
    total = sum(restated.values(), Decimal())
    reached = Decimal()
    for age in sorted(restated):
        reached += restated[age]
        if reached >= (1 - _NEGLIGIBLE) * total:
            return age
    return 0


def too_short(restated: Mapping[int, Decimal], lookback_days: int) -> Iterator[str]:
    """Yield why a look-back is too short for the changes that were seen."""
    total = sum(restated.values(), Decimal())
    if not total:
        return
    late = sum((each for age, each in restated.items() if age > lookback_days), Decimal())
    if late > _NEGLIGIBLE * total:
        yield (
            f"{100 * late / total:.1f} % of restated revenue is older than {lookback_days} days "
            f"(lookback_days); {enough_days(restated)} days would catch 99.9 %."
        )
        return
    tenth = max(lookback_days // 10, 1)
    edge = sum((each for age, each in restated.items() if age > lookback_days - tenth), Decimal())
    if edge * 20 > total:
        last = "day" if tenth == 1 else f"{tenth} days"
        yield (
            f"{100 * edge / total:.1f} % of restated revenue changed in the last {last} of the "
            f"{lookback_days} that are read again (lookback_days). Later changes are not seen: a "
            "longer look-back would show whether there are any."
        )
