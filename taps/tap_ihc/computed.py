"""The journeys that have been computed, in a state of limited size."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from tap_ihc.journeys import Summary

NAME, CONTENT = 5, 4
"""Bytes of the hashes of a conversion's id, and of everything that its credits depend on."""
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
        self._known = {
            name: (day, content)
            for day, text in state["computed"].items()
            for name, content in _unpacked(text)
        }
        self._changed: set[str] = set()

    def __contains__(self, journey: Summary) -> bool:
        known = self._known.get(journey.name[:NAME])
        return journey.day < self.horizon or known == (journey.day, journey.content[:CONTENT])

    def add(self, journey: Summary) -> None:
        """Count a journey as computed, with its present sessions."""
        self.discard(journey)
        self._known[journey.name[:NAME]] = (journey.day, journey.content[:CONTENT])
        self._changed.add(journey.day)

    def discard(self, journey: Summary) -> None:
        """Forget a journey, on whose earlier day its credits are no longer valid."""
        if found := self._known.pop(journey.name[:NAME], None):
            self._changed.add(found[0])

    def save(self, since: str) -> None:
        """Write the state; drop the oldest days if there are too many journeys.

        Args:
            since: the instant up to which all conversions of this run have been settled.
        """
        self.since = max(since, self.since)
        days: defaultdict[str, list[bytes]] = defaultdict(list)
        for name, (day, content) in self._known.items():
            days[day].append(name + content)
        excess = len(self._known) - MOST_KEPT
        for day in sorted(days):
            if excess <= 0 or day >= since[:10]:
                break
            excess -= len(days.pop(day))
            self.horizon = min(days, default=since[:10])
        texts = self._state["computed"]
        for day in [each for each in texts if each < self.horizon]:
            del texts[day]
        self._known = {name: each for name, each in self._known.items() if each[0] in days}
        # a day that has become empty stays: a merge of states would restore a removed one
        for day in self._changed:
            if day >= self.horizon:
                texts[day] = base64.b64encode(b"".join(sorted(days[day]))).decode()
        self._changed.clear()
        self._state |= {"since": self.since, "horizon": self.horizon}


def _unpacked(text: str) -> Iterator[tuple[bytes, bytes]]:
    packed = base64.b64decode(text)
    for start in range(0, len(packed), NAME + CONTENT):
        yield packed[start : start + NAME], packed[start + NAME : start + NAME + CONTENT]
