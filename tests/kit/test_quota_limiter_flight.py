"""The quota limiter with several requests in flight, whose responses are late and out of order."""

from __future__ import annotations

import heapq
import itertools
import random

import pytest

from attribution_elt.kit.http import quota as module
from attribution_elt.kit.http.quota import QuotaLimiter
from tests.kit.quota import Clock, Vendor

CONCURRENT = 8
REQUESTS = 60


class Flight(Clock):
    """A clock that delivers requests and responses while the limiter waits."""

    def __init__(self, rare: float, seed: int) -> None:
        super().__init__()
        self.limiter = QuotaLimiter("test")
        self.in_flight = 0
        self._rare = rare
        self._random = random.Random(seed)
        self._number = itertools.count()
        self._events: list[tuple[float, int, Vendor | None, float, int, dict[str, str]]] = []

    def wait(self, seconds: float | None) -> None:
        due = self._events[0][0] if self._events else None
        if seconds is not None and (due is None or self.elapsed + seconds < due):
            self.elapsed += seconds
            return
        assert due is not None, "waits for a response although no request is in flight"
        moment, _, vendor, sent, status, headers = heapq.heappop(self._events)
        self.elapsed = max(self.elapsed, moment)
        if vendor:
            self._later(None, sent, *vendor.answer())
        else:
            self.in_flight -= 1
            self.limiter.observe(sent, status, headers)

    def send(self, vendor: Vendor) -> None:
        while self.in_flight >= CONCURRENT:
            self.wait(None)
        sent = self.limiter.acquire()
        self.in_flight += 1
        self._later(vendor, sent, 0, {})

    def _later(
        self, vendor: Vendor | None, sent: float, status: int, headers: dict[str, str]
    ) -> None:
        delay = self._random.uniform(0.002, 0.006)
        if self._random.random() < self._rare:
            delay += self._random.uniform(0, 0.3)  # most of a window
        due = self.elapsed + delay
        heapq.heappush(self._events, (due, next(self._number), vendor, sent, status, headers))


@pytest.mark.parametrize("greed", [0.0, 0.3], ids=["alone", "with another client"])
@pytest.mark.parametrize("sliding", [False, True], ids=["fixed", "sliding"])
@pytest.mark.parametrize(
    ("rare", "slack"), [(0, 1.1), (0.02, 1.15), (0.2, 1.7)], ids=["even", "rarely late", "late"]
)
def test_late_responses_cause_no_refusal(
    monkeypatch: pytest.MonkeyPatch, rare: float, slack: float, greed: float, *, sliding: bool
) -> None:
    taken = []
    for seed in range(200):
        clock = Flight(rare, seed)
        monkeypatch.setattr(module, "time", clock)
        monkeypatch.setattr(module, "threading", clock)
        clock.limiter = QuotaLimiter("test")
        vendor = Vendor(clock, window=0.4, sliding=sliding, greed=greed, latency=0)
        for _ in range(REQUESTS):
            clock.send(vendor)
        while clock.in_flight:
            clock.wait(None)
        assert vendor.refused == 0, f"seed {seed}"
        taken.append(clock.elapsed)
    assert sum(taken) / len(taken) < REQUESTS / (10 * (1 - greed)) * 0.4 * slack
