"""The sandbox's day, which moves only by `advance`."""

from __future__ import annotations

from datetime import date, timedelta


class Clock:
    """The sandbox's first day and its current day.

    The current day has only begun: vendors date their records on earlier days, so that no record
    is in the future.
    """

    def __init__(self, start: date) -> None:
        self.start = start
        self.today = start

    def advance(self, days: int) -> None:
        """Move forward by some days; vendors update their data at the next request."""
        if days < 0:
            raise ValueError(f"cannot move back in time: {days} days")
        self.today += timedelta(days)
