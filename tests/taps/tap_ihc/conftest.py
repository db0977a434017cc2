"""The sandbox, and retries that do not wait."""

from __future__ import annotations

import pytest

from attribution_elt.kit.http import client as http
from attribution_elt.sandbox import Sandbox
from attribution_elt.sandbox.ihc import Ihc


@pytest.fixture
def vendor(sandbox: Sandbox) -> Ihc:
    """IHC, without the limits of a plan."""
    return sandbox.ihc


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "FIRST_WAIT", 0.0)
