"""The journeys that have been computed, in a state of limited size."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from tap_ihc.journeys import Summary

NAME, CONTENT = 5, 4
"""Bytes of the hashes: of a conversion's id, and of everything that its credits depend on."""
MOST_KEPT = 20_000
"""Maximum number of remembered journeys; conversions before the oldest of them count as computed.
"""
START = "1970-01-01T00:00:00Z"


class Computed:
    """Hashes of computed journeys, each with the day of its conversion.

    A day is one text in a dictionary of the state. When Meltano merges states, it replaces a day
    as a whole.

    Args:
        state: the stream's state, read here and written by `save`.
        bookmark: bookmark of the stream, if it has one.
        parameters: hash of everything but the sessions that credits depend on; if it changes, every
            journey is computed again.

    Attributes:
        since: the instant up to which all conversions have been settled with these parameters.
        horizon: the day before which conversions count as computed; "" if all are remembered.
    """

    def __init__(self, state: dict[str, Any], bookmark: str | None, parameters: str) -> None:
        changed = state.get("parameters") not in {None, parameters}
        state["parameters"] = parameters
        if changed or "computed" not in state:
            state["since"] = START if changed else bookmark or START
            state["computed"], state["horizon"] = {}, ""
        self.since: str = state.get("since") or START
        self.horizon: str = state.get("horizon", "")
        self._state = state
        self._days = {day: dict(_unpacked(text)) for day, text in state["computed"].items() if text}
        self._day_of = {name: day for day, known in self._days.items() for name in known}
        self._changed: set[str] = set()

    def __contains__(self, journey: Summary) -> bool:
        name, day = journey.name[:NAME], journey.day
        known = self._days[day][name] if self._day_of.get(name) == day else None
        return day < self.horizon or known == journey.content[:CONTENT]

    def add(self, journey: Summary) -> None:
        """Count a journey as computed, with its present sessions."""
        self.discard(journey)
        name, day = journey.name[:NAME], journey.day
        self._days.setdefault(day, {})[name] = journey.content[:CONTENT]
        self._day_of[name] = day
        self._changed.add(day)

    def discard(self, journey: Summary) -> None:
        """Forget a journey, on whose earlier day its credits are no longer valid."""
        name = journey.name[:NAME]
        if day := self._day_of.pop(name, None):
            del self._days[day][name]
            if not self._days[day]:
                del self._days[day]
            self._changed.add(day)

    def save(self, since: str) -> None:
        """Write the state; drop the oldest days if there are too many journeys.

        Args:
            since: the instant up to which all conversions of this run have been settled.
        """
        self.since = max(since, self.since)
        excess = len(self._day_of) - MOST_KEPT
        for day in sorted(self._days):
            if excess <= 0 or day >= since[:10]:
                break
            dropped = self._days.pop(day)
            excess -= len(dropped)
            for name in dropped:
                self._day_of.pop(name, None)
            self.horizon = min(self._days, default=since[:10])
        texts = self._state["computed"]
        for day in [each for each in texts if each < self.horizon]:
            del texts[day]
        # a day that has become empty stays: a merge of states would restore a removed one
        for day in self._changed:
            if day >= self.horizon:
                known = sorted(self._days.get(day, {}).items())
                packed = b"".join(name + content for name, content in known)
                texts[day] = base64.b64encode(packed).decode()
        self._changed.clear()
        self._state |= {"since": self.since, "horizon": self.horizon}


def _unpacked(text: str) -> Iterator[tuple[bytes, bytes]]:
    packed = base64.b64decode(text)
    for start in range(0, len(packed), NAME + CONTENT):
        yield packed[start : start + NAME], packed[start + NAME : start + NAME + CONTENT]
