"""Windows of days, for vendors whose requests have dates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from attribution_elt.core.dates import day_of
from attribution_elt.kit.stream import VendorStream


@dataclass(frozen=True, slots=True)
class HistoryNeed:
    """The first day that an account's next run needs, and the first day that the vendor has."""

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
        """The number of days."""
        return (self.last - self.first).days + 1

    def halves(self) -> tuple[Window, Window]:
        """Return the earlier and the later half; a window of one day has no halves."""
        middle = self.first + timedelta(days=self.days // 2)
        return Window(self.first, middle - timedelta(days=1)), Window(middle, self.last)


def windows(first: date, last: date, days: int) -> Iterator[Window]:
    """Yield windows of `days` days from first to last; the last window may be shorter."""
    while first <= last:
        end = first + min(timedelta(days=days - 1), last - first)
        yield Window(first, end)
        first = end + timedelta(days=1)


def bookmark_day(stream: VendorStream) -> date:
    """Return the last day that a stream has read completely."""
    return day_of(stream.bookmark or "")
