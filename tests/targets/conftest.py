"""Every test of a warehouse runs on each of them."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.targets.warehouses import DuckDB, PostgreSQL, SQLite, Warehouse


@pytest.fixture(params=["duckdb", "postgresql", "sqlite"])
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Warehouse:
    if request.param == "duckdb":
        return DuckDB(f"duckdb:///{tmp_path}/warehouse.duckdb", tmp_path)
    if request.param == "sqlite":
        return SQLite(f"sqlite:///{tmp_path}/warehouse.db", tmp_path)
    return PostgreSQL(request.getfixturevalue("postgres_url"), tmp_path)


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """Give the signals back that a target takes for its own."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
