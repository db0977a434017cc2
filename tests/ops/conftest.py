"""Warehouses to be filled by the loader, and read by what operates it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.targets.warehouses import DuckDB, PostgreSQL, SQLite, Warehouse


@pytest.fixture(params=["duckdb", "postgresql", "sqlite"])
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Warehouse]:
    """Each of them; the loader, which runs in this process, takes signals for its own."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    if request.param == "duckdb":
        yield DuckDB(f"duckdb:///{tmp_path}/warehouse.duckdb", tmp_path)
    elif request.param == "sqlite":
        yield SQLite(f"sqlite:///{tmp_path}/warehouse.db", tmp_path)
    else:
        yield PostgreSQL(request.getfixturevalue("postgres_url"), tmp_path)
    for number, handler in handlers.items():
        signal.signal(number, handler)
