"""Which journeys have been computed: what a state of bounded size can say of them."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

WIDTH = 6
"""Bytes of a fingerprint."""
MOST_KEPT = 20_000
"""Fingerprints kept; of older conversions all are taken to be computed as they were sent."""


class Computed:
    """Fingerprints of computed journeys by the day of their conversion.

    They are texts in a dictionary of the state, so that it stays small, and whole when states are
    merged: a merge replaces a day, never a part of one.

    Args:
        state: the stream's state, read here and written by `save`.
        salt: what credits depend on besides sessions, as text; another one computes all again.
    """

    def __init__(self, state: dict[str, Any], salt: str) -> None:
        self._state = state
        self._salt = salt
        kept = state.get("computed", {}) if state.get("parameters") == salt else {}
        self._days = {day: set(_unpacked(text)) for day, text in kept.items() if text}
        self._horizon = state.get("horizon", "") if kept else ""
        self._changed: set[str] = set()

    @property
    def horizon(self) -> str:
        """The day before which conversions are taken to be computed; "" while all are known."""
        return self._horizon

    def __contains__(self, journey: tuple[str, bytes]) -> bool:
        converted, fingerprint = journey
        day = converted[:10]
        return day < self._horizon or fingerprint in self._days.get(day, ())

    def add(self, converted: str, fingerprint: bytes) -> None:
        """Count a journey as computed."""
        self._days.setdefault(converted[:10], set()).add(fingerprint)
        self._changed.add(converted[:10])

    def save(self, *, pending_since: str) -> None:
        """Write what is known into the state, but for the oldest of what is too much.

        Args:
            pending_since: the day of the oldest conversion of which a journey may be unsent yet.
        """
        if self._state.get("parameters") != self._salt:
            self._state["computed"] = {}
        days: dict[str, str] = self._state.setdefault("computed", {})
        total = sum(map(len, self._days.values()))
        for day in sorted(self._days):
            if total <= MOST_KEPT or day >= pending_since:
                break
            total -= len(self._days.pop(day))
            days.pop(day, None)
            self._horizon = min(self._days, default=pending_since)
        for day in self._changed & self._days.keys():
            days[day] = base64.b64encode(b"".join(sorted(self._days[day]))).decode()
        self._changed.clear()
        self._state["horizon"] = self._horizon
        self._state["parameters"] = self._salt


def _unpacked(text: str) -> Iterator[bytes]:
    packed = base64.b64decode(text)
    for start in range(0, len(packed), WIDTH):
        yield packed[start : start + WIDTH]
