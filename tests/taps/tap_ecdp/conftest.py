"""A sandbox that is quick to read."""

from __future__ import annotations

import pytest

from attribution_elt.sandbox import Sandbox
from tests.taps.tap_ecdp.helpers import shrink


@pytest.fixture
def small(sandbox: Sandbox) -> Sandbox:
    """The sandbox with few orders."""
    shrink(sandbox)
    return sandbox
