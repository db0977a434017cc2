"""A sandbox without a quota."""

from __future__ import annotations

import pytest

from attribution_elt.sandbox import Sandbox
from attribution_elt.sandbox.adtraction import Adtraction
from tests.taps.tap_adtraction.helpers import small


@pytest.fixture
def vendor(sandbox: Sandbox) -> Adtraction:
    """Adtraction with small feeds."""
    return small(sandbox)
