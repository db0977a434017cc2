"""A shop that the tests of single models share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.targets.target_warehouse.warehouses import DuckDB
from tests.transform.shop import Shop


@pytest.fixture
def small(tmp_path: Path) -> Shop:
    """A shop on DuckDB."""
    return Shop(DuckDB(f"duckdb:///{tmp_path}/warehouse.duckdb", tmp_path))
