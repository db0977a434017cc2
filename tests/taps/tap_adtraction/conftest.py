"""A sandbox without a quota to wait for, and retries that do not wait."""

from __future__ import annotations

import pytest

from attribution_elt.kit.http import client as http
from attribution_elt.sandbox import Sandbox
from attribution_elt.sandbox.adtraction import Adtraction


@pytest.fixture
def vendor(sandbox: Sandbox) -> Adtraction:
    """Adtraction, as large as a test likes it."""
    vendor = sandbox.adtraction
    vendor.quota.limit = 10_000
    vendor.quota.limits.clear()
    vendor.markets = ("SE", "NO")
    vendor.product_bytes = 100
    vendor.feed_sizes = (25, 60, 40, 0)  # enough for every oddity of a feed
    return vendor


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "FIRST_WAIT", 0.0)
