"""A clock that waits without losing time, shared by taps, the sandbox and its quotas."""

from __future__ import annotations

import time

import pytest
from typing_extensions import override

from attribution_elt.kit.http import client as http
from attribution_elt.kit.http import quota
from attribution_elt.sandbox import Sandbox
from tests.kit.quota import Clock


class SharedClock(Clock):
    """The real clock plus all simulated waits; the vendors' clocks move with it.

    Taps must send one request at a time, because waits do not block other threads.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__()
        self._vendors = sandbox.vendors.values()
        sandbox.adtraction.quota.clock = self.monotonic

    @override
    def time(self) -> float:
        return time.time() + self.elapsed

    @override
    def monotonic(self) -> float:
        return time.monotonic() + self.elapsed

    @override
    def wait(self, seconds: float | None) -> None:
        super().wait(seconds)
        for vendor in self._vendors:
            vendor.clock_skew += seconds or 0


def share_clock(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> SharedClock:
    """Use the shared clock in taps and vendors; retries follow without a pause."""
    clock = SharedClock(sandbox)
    monkeypatch.setattr(quota, "time", clock)
    monkeypatch.setattr(quota, "threading", clock)
    monkeypatch.setattr(http, "FIRST_WAIT", 0.0)
    return clock
