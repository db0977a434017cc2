"""A small sandbox whose day the tap shares."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time, tzinfo
from types import SimpleNamespace

import pytest
from tap_ignite import snapshot as lookback

from attribution_elt.sandbox import Sandbox
from tests.taps.tap_ignite.helpers import shrink


@pytest.fixture
def today() -> Iterator[Sandbox]:
    """Serve a sandbox with the real day, for taps in separate processes."""
    with Sandbox(seed=7) as fresh:
        shrink(fresh)
        yield fresh


@pytest.fixture(autouse=True)
def _same_day(
    request: pytest.FixtureRequest, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    shrink(sandbox)
    if "today" not in request.fixturenames and request.cls is None:  # conformance is of today

        def now(zone: tzinfo) -> datetime:
            return datetime.combine(sandbox.clock.today, time(23, 59), UTC).astimezone(zone)

        monkeypatch.setattr(lookback, "datetime", SimpleNamespace(now=now))
