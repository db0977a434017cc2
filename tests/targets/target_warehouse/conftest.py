"""Fixtures of warehouses: a test that takes `warehouse` runs on each of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.targets.target_warehouse import through_dlt as dlt
from tests.targets.target_warehouse.stand_in import Snowflake, says_enough_of, serving, watch
from tests.targets.target_warehouse.warehouses import PostgreSQL, Warehouse

_numbers = itertools.count()
_SQL = {
    "test_a_key_that_changes_is_the_new_key",
    "test_a_record_replaces_all_of_the_row_it_updates",
    "test_an_empty_stream_creates_its_table",
    "test_an_interrupted_overwrite_changes_nothing",
    "test_append_only_keeps_every_record",
    "test_keys_of_several_columns",
    "test_new_properties_add_columns",
    "test_overwrite_replaces_what_the_table_held",
    "test_records_are_inserted_and_updated_by_key",
    "test_records_without_a_key_are_appended",
    "test_text_is_kept_to_the_letter",
}
"""Tests of the statements of a load. They run on DuckDB through dlt too."""
_MORE_SQL = _SQL | {
    "test_a_line_that_an_order_no_longer_has_goes_to_the_history",
    "test_a_row_that_comes_back_is_live_again",
    "test_awkward_names_of_columns",
    "test_marked_rows_stay_and_are_marked_once",
    "test_numbers_are_exact",
    "test_timestamps_are_instants",
    "test_types_that_widen",
    "test_vanished_rows_can_be_marked",
}
"""Tests that run on Snowflake's stand-in in the quick suite: its statements take 20 ms each."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "warehouse" not in metafunc.fixturenames or hasattr(metafunc.module, "warehouse"):
        return
    test, params = metafunc.definition, list[Any](["sqlite"])
    if not test.get_closest_marker("one_warehouse"):
        params += ["duckdb", "postgresql"]
        if says_enough_of(metafunc):
            long = () if test.originalname in _MORE_SQL else (pytest.mark.long,)
            params.append(pytest.param("snowflake", marks=long))
        if test.originalname in _SQL:
            params.append("duckdb_through_dlt")
    metafunc.parametrize("warehouse", params, indirect=True)


@pytest.fixture
def warehouse(request: pytest.FixtureRequest) -> Warehouse:
    found: Warehouse = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def guest(postgres_url: str, tmp_path: Path) -> Iterator[PostgreSQL]:
    """PostgreSQL as a role that reads and writes all tables, but owns none."""
    role = f"guest_{urlsplit(postgres_url).path.strip('/')}"
    separator = "&" if "?" in postgres_url else "?"
    with psycopg.connect(postgres_url) as connection:
        connection.execute(f"CREATE ROLE {role} IN ROLE pg_write_all_data, pg_read_all_data")
        connection.execute(f"GRANT CREATE ON SCHEMA public TO {role}")
    try:
        yield PostgreSQL(f"{postgres_url}{separator}options=-crole%3D{role}", tmp_path)
    finally:
        with psycopg.connect(postgres_url) as connection:
            connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


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


@pytest.fixture(params=["duckdb", pytest.param("postgresql", marks=pytest.mark.long)])
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
