"""Data that changes from day to day, and by explicit changes in between."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any


@dataclass(frozen=True)
class Change:
    """An explicit change of a simulation, made on a day."""

    day: date
    apply: Callable[[Any], None]


class Simulation(ABC):
    """Simulates one day after the other; the result depends on the seed, the days and changes."""

    def __init__(self, first_day: date) -> None:
        self._next_day = first_day
        self._changes_applied = 0

    @abstractmethod
    def simulate(self, day: date) -> None:
        """Simulate the events of one day."""

    def catch_up(self, today: date, changes: Sequence[Change] = ()) -> None:
        """Simulate all days before today; apply the changes up to today, in order of time."""
        self._apply(changes)
        while self._next_day < today:
            self.simulate(self._next_day)
            self._next_day += timedelta(1)
            self._apply(changes)

    def _apply(self, changes: Sequence[Change]) -> None:
        for change in changes[self._changes_applied :]:
            if change.day > self._next_day:
                return
            self._changes_applied += 1
            change.apply(self)
