"""Few customers, and retries that do not wait."""

from __future__ import annotations

import pytest

from attribution_elt.kit.http import client as http
from attribution_elt.sandbox import Sandbox
from attribution_elt.sandbox.attribution_io import AttributionIo


@pytest.fixture
def vendor(sandbox: Sandbox) -> AttributionIo:
    """Attribution.io with enough customers for every kind of id."""
    sandbox.attribution_io.customer_count = 26
    return sandbox.attribution_io


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "FIRST_WAIT", 0.0)
