"""Few customers."""

from __future__ import annotations

import pytest

from attribution_elt.sandbox import Sandbox
from attribution_elt.sandbox.attribution_io import AttributionIo


@pytest.fixture
def vendor(sandbox: Sandbox) -> AttributionIo:
    """Attribution.io with enough customers for every kind of id."""
    sandbox.attribution_io.customer_count = 26
    return sandbox.attribution_io
