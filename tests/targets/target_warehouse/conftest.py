"""Fixtures of warehouses: a test that takes `warehouse` runs on each of them."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.targets.target_warehouse import through_dlt as dlt
from tests.targets.target_warehouse.stand_in import Snowflake, says_enough_of, serving, watch
from tests.targets.target_warehouse.warehouses import DuckDB, PostgreSQL, SQLite, Warehouse

_numbers = itertools.count()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "warehouse" in metafunc.fixturenames and not hasattr(metafunc.module, "warehouse"):
        names = ["duckdb", "postgresql", "sqlite"]
        if says_enough_of(metafunc):
            names.append("snowflake")
        metafunc.parametrize("warehouse", names, indirect=True)


@pytest.fixture
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Warehouse:
    if request.param == "duckdb":
        return DuckDB(f"duckdb:///{tmp_path}/warehouse.duckdb", tmp_path)
    if request.param == "sqlite":
        return SQLite(f"sqlite:///{tmp_path}/warehouse.db", tmp_path)
    if request.param == "snowflake":
        stand_in: Snowflake = request.getfixturevalue("snowflake")
        return stand_in
    return PostgreSQL(request.getfixturevalue("postgres_url"), tmp_path)


@pytest.fixture(scope="session")
def snowflake_port() -> Iterator[int]:
    with serving() as port:
        yield port


@pytest.fixture
def snowflake(snowflake_port: int, tmp_path: Path) -> Snowflake:
    """Return a stand-in for Snowflake, with a fresh database."""
    return Snowflake(snowflake_port, f"test_{next(_numbers)}", tmp_path)


@pytest.fixture
def duckdb_through_dlt(tmp_path: Path) -> dlt.ThroughDlt:
    return dlt.DuckDB(f"dlt+duckdb:///{tmp_path}/warehouse.duckdb", tmp_path)


@pytest.fixture(params=["duckdb", "postgresql"])
def through_dlt(request: pytest.FixtureRequest, tmp_path: Path) -> dlt.ThroughDlt:
    if request.param == "duckdb":
        fixed: dlt.ThroughDlt = request.getfixturevalue("duckdb_through_dlt")
        return fixed
    return dlt.PostgreSQL(request.getfixturevalue("postgres_url"), tmp_path)


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the statements that the loader sends to Snowflake."""
    seen: list[str] = []
    watch(monkeypatch, seen.append)
    return seen


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """Restore the signal handlers that a target replaces."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
