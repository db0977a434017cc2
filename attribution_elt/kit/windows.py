"""Windows of days, for vendors that are asked by date."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from attribution_elt.core.dates import day_of
from attribution_elt.kit.stream import VendorStream


@dataclass(frozen=True, slots=True)
class HistoryNeed:
    """The first day of which an account's next run wants what happened, and can get it."""

    account: str
    wanted: date
    earliest: date


@dataclass(frozen=True, slots=True)
class Window:
    """The days from `first` to `last`, both included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.last - self.first).days + 1

    def halves(self) -> tuple[Window, Window]:
        """Return its earlier and its later half; a window of one day has none."""
        middle = self.first + timedelta(days=self.days // 2)
        return Window(self.first, middle - timedelta(days=1)), Window(middle, self.last)


def windows(first: date, last: date, days: int) -> Iterator[Window]:
    """Yield windows of `days` days, the last one perhaps shorter, that cover first to last."""
    while first <= last:
        end = first + min(timedelta(days=days - 1), last - first)
        yield Window(first, end)
        first = end + timedelta(days=1)


def bookmark_day(stream: VendorStream) -> date:
    """Return the last day of which a stream has read everything that there was."""
    return day_of(stream.bookmark or "")
