"""A shop that the tests of single models share."""

from __future__ import annotations

import pytest

from tests.targets.target_warehouse.warehouses import DuckDB
from tests.transform.shop import Shop


@pytest.fixture
def small(duckdb: DuckDB) -> Shop:
    """A shop on DuckDB."""
    return Shop(duckdb)
