"""Things that come back at regular intervals, such as a person's visits to a website."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta


@dataclass(frozen=True, slots=True)
class Rhythm:
    """A first day and every so many days from then on."""

    first: date
    interval: int

    def count(self, today: date) -> int:
        """Tell how often it has been, today included."""
        return max(0, (today - self.first).days // self.interval + 1)

    def day(self, number: int) -> date:
        """Give the day of one time, counted from 0."""
        return self.first + timedelta(number * self.interval)

    def last(self, today: date) -> date | None:
        """Give the day of the last time so far."""
        count = self.count(today)
        return self.day(count - 1) if count else None
