"""A shop that the tests of single models share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.targets.target_warehouse.warehouses import DuckDB
from tests.transform.shop import Shop


@pytest.fixture
def duckdb(tmp_path: Path) -> DuckDB:
    """A DuckDB file."""
    return DuckDB(f"duckdb:///{tmp_path}/warehouse.duckdb", tmp_path)


@pytest.fixture
def small(duckdb: DuckDB) -> Shop:
    """A shop on DuckDB."""
    return Shop(duckdb)
