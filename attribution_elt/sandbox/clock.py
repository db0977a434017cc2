"""The sandbox's day, which moves only when told to."""

from __future__ import annotations

from datetime import date, timedelta


class Clock:
    """The day the sandbox opened and the day it is there now.

    The day has only begun: what is dated is of earlier days, so that nothing is of the future.
    """

    def __init__(self, start: date) -> None:
        self.start = start
        self.today = start

    def advance(self, days: int) -> None:
        """Let days pass; vendors catch up when they are next asked."""
        if days < 0:
            raise ValueError(f"time does not run backwards: {days} days")
        self.today += timedelta(days)
