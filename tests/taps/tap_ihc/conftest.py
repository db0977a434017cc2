"""The sandbox."""

from __future__ import annotations

import pytest

from attribution_elt.sandbox import Sandbox
from attribution_elt.sandbox.ihc import Ihc


@pytest.fixture
def vendor(sandbox: Sandbox) -> Ihc:
    """IHC, without the limits of a plan."""
    return sandbox.ihc
