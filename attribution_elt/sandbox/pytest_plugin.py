"""The sandbox as a fixture: `pytest_plugins = ["attribution_elt.sandbox.pytest_plugin"]`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest

from attribution_elt.sandbox import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Serve a fresh sandbox with a fixed seed and day."""
    with Sandbox(seed=7, today=date(2026, 3, 31)) as fresh:
        yield fresh
