"""Events at regular intervals, such as a person's visits to a website."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta


@dataclass(frozen=True, slots=True)
class Rhythm:
    """A first day and an interval in days."""

    first: date
    interval: int

    def count(self, today: date) -> int:
        """Return the number of events up to and including today."""
        return max(0, (today - self.first).days // self.interval + 1)

    def day(self, number: int) -> date:
        """Return the day of an event, counted from 0."""
        return self.first + timedelta(number * self.interval)

    def last(self, today: date) -> date | None:
        """Return the day of the latest event, if there was one."""
        count = self.count(today)
        return self.day(count - 1) if count else None
