"""A sandbox that is quick to read, and retries that do not wait."""

from __future__ import annotations

import pytest

from attribution_elt.kit.http import client as http
from attribution_elt.sandbox import Sandbox
from tests.taps.tap_ecdp.helpers import shrink


@pytest.fixture
def small(sandbox: Sandbox) -> Sandbox:
    """The sandbox with few orders."""
    shrink(sandbox)
    return sandbox


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "FIRST_WAIT", 0.0)
