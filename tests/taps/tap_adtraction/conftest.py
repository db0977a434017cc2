"""A sandbox without a quota, and retries that do not wait."""

from __future__ import annotations

import pytest

from attribution_elt.kit.http import client as http
from attribution_elt.sandbox import Sandbox
from attribution_elt.sandbox.adtraction import Adtraction
from tests.taps.tap_adtraction.helpers import small


@pytest.fixture
def vendor(sandbox: Sandbox) -> Adtraction:
    """Adtraction with small feeds."""
    return small(sandbox)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "FIRST_WAIT", 0.0)
