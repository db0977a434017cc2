"""Behaviour of DuckDB alone: its memory limit, and the digits of its decimals."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from duckdb import Error as DuckDBError
from target_warehouse.columns import Column, ColumnType
from target_warehouse.warehouses.duckdb import adapter
from target_warehouse.warehouses.registry import connect
from target_warehouse.warehouses.transaction import transact

from tests.targets.target_warehouse.warehouses import (
    DuckDB,
    Line,
    raw_record,
    record,
    run_sql,
    schema,
    warnings_in,
)

TEXTS = schema("texts", id="integer", text="string")
LARGE: list[Line] = [
    TEXTS,
    *(record("texts", id=number, text=str(number) * 200_000) for number in range(100)),
]


@pytest.mark.parametrize("limit", ["384MB", "2MB"])
def test_a_batch_gets_the_memory_that_it_needs(
    duckdb: DuckDB, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, limit: str
) -> None:
    monkeypatch.setattr(adapter, "_MEMORY", limit)
    for _ in range(2):
        duckdb.load(*LARGE)
    assert any("retrying" in text for text in warnings_in(caplog)) == (limit == "2MB")
    assert duckdb.rows("SELECT count(*), sum(length(text)) FROM texts") == [(100, 38_000_000)]


def test_a_comparison_gets_the_memory_that_it_needs(
    duckdb: DuckDB, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    duckdb.load(TEXTS, record("texts", id=1, text="1" * 200_000))
    monkeypatch.setattr(adapter, "_MEMORY", "2MB")
    duckdb.load(*LARGE, dry_run=True)
    assert any("retrying" in text for text in warnings_in(caplog))
    found = duckdb.rows("SELECT identical, missing FROM _verifications WHERE unit IS NULL")
    assert found == [(1, 99)]


def test_a_limit_in_the_url_is_kept(tmp_path: Path) -> None:
    url = f"duckdb:///{tmp_path}/warehouse.duckdb"
    run = DuckDB(f"{url}?memory_limit=2MB", tmp_path).load(*LARGE, fails=True)
    assert "memory" in str(run.error).lower()


@pytest.mark.parametrize(
    ("price", "digits"), [("1.5", 2), ("1.50000", 2), ("15e-1", 2), ("1.505", 3), ("15e-4", 4)]
)
def test_a_decimal_grows_by_the_digits_that_count(duckdb: DuckDB, price: str, digits: int) -> None:
    described = schema("prices", id="integer", price="number")
    duckdb.load(described, raw_record("prices", f'{{"id": 1, "price": {price}}}'))

    assert duckdb.rows("SELECT price, typeof(price) FROM prices") == [
        (Decimal(price), f"DECIMAL(38,{digits})")
    ]


def test_many_new_columns_do_not_change_the_rest_of_a_table(
    duckdb: DuckDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    with duckdb.connected() as connection:
        for statement in (
            "CREATE TABLE wide (id BIGINT, n BIGINT DEFAULT 7, twice BIGINT AS (n * 2))",
            "CREATE INDEX numbers ON wide (n)",
            "COMMENT ON TABLE wide IS 'a wide one'",
            "COMMENT ON COLUMN wide.n IS 'a number'",
            "CREATE VIEW seen AS SELECT id, twice FROM wide",
            "INSERT INTO wide (id) VALUES (0)",
        ):
            connection.execute(statement)
    altered = []
    execute = adapter.DuckDBAdapter.execute

    def watched(self: adapter.DuckDBAdapter, sql: str) -> list[tuple[Any, ...]]:
        altered.extend([sql] if "ADD COLUMN" in sql else [])
        return execute(self, sql)

    monkeypatch.setattr(adapter.DuckDBAdapter, "execute", watched)
    records = (record("wide", id=number, **{f"late {number}": "x"}) for number in range(400))
    duckdb.load(schema("wide", id="integer"), *records)

    assert len(altered) <= 1  # a column each time would take minutes for thousands
    assert len(duckdb.types("wide")) == 403
    sql = """SELECT count(*), count("late 0"), count("late 399"), sum(twice) FROM wide"""
    assert duckdb.rows(sql) == [(400, 1, 1, 5600)]
    assert duckdb.rows("SELECT count(*) FROM seen") == [(400,)]
    assert duckdb.rows("SELECT index_name FROM duckdb_indexes()") == [("numbers",)]
    assert duckdb.rows("SELECT comment FROM duckdb_tables() WHERE table_name = 'wide'") == [
        ("a wide one",)
    ]
    assert duckdb.rows("SELECT comment FROM duckdb_columns() WHERE column_name = 'n'") == [
        ("a number",)
    ]


def test_batches_after_one_that_matched_rows_are_merged_at_once(
    duckdb: DuckDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    duckdb.load(TEXTS, *(record("texts", id=id_, text="old") for id_ in range(5)))
    queries: list[str] = []
    execute = adapter.DuckDBAdapter.execute

    def noted(self: adapter.DuckDBAdapter, sql: str) -> list[tuple[Any, ...]]:
        queries.append(sql)
        return execute(self, sql)

    monkeypatch.setattr(adapter.DuckDBAdapter, "execute", noted)
    sent = [
        0,
        1,
        2,
        5,
        6,
        7,
        8,
        9,
    ]  # three batches: known keys, both, new keys; then new keys again
    duckdb.load(TEXTS, *(record("texts", id=id_, text="new") for id_ in sent), batch_size_rows=2)

    kinds = ["MERGE" if "MERGE" in sql else "check" for sql in queries if "AS held" in sql]
    assert kinds == ["check", "MERGE", "MERGE", "MERGE", "check"]
    assert duckdb.rows("SELECT id, text FROM texts ORDER BY id") == [
        (id_, "new" if id_ in sent else "old") for id_ in range(10)
    ]


def test_numbers_with_extreme_exponents(duckdb: DuckDB) -> None:
    """Arrow crashes when it converts some of them to a decimal."""
    texts = ["1e-99999999", "0e-99999999", "1e-2147483649", "1E99999999", "7"]
    rows = [
        raw_record("prices", f'{{"id": {number}, "price": {text}}}')
        for number, text in enumerate(texts)
    ]
    duckdb.load(schema("prices", id="integer", price="number"), *rows)
    found = duckdb.rows("SELECT price FROM prices ORDER BY id")
    assert [Decimal(price) for (price,) in found] == [Decimal(text) for text in texts]


@pytest.mark.parametrize(("held", "wider"), [("UINTEGER", "BIGINT"), ("UBIGINT", "DECIMAL(38,0)")])
def test_an_unsigned_column_gets_a_sign(duckdb: DuckDB, held: str, wider: str) -> None:
    run_sql(duckdb, f"CREATE TABLE orders (id BIGINT PRIMARY KEY, number {held})")
    duckdb.load(schema("orders", id="integer", number="integer"), record("orders", id=1, number=-1))
    assert duckdb.rows("SELECT number, typeof(number) FROM orders") == [(-1, wider)]


def test_a_table_that_is_dropped_has_no_columns(duckdb: DuckDB) -> None:
    with contextlib.closing(connect(duckdb.url, None)) as warehouse:
        warehouse.create("orders", {"id": Column(ColumnType.INTEGER)}, ["id"])
        assert warehouse.columns("orders").keys() == {"id"}
        warehouse.drop("orders")
        assert warehouse.columns("orders") == {}


def test_a_transaction_after_a_failed_commit_is_one(duckdb: DuckDB) -> None:
    run_sql(duckdb, "CREATE TABLE orders (id BIGINT PRIMARY KEY)")
    with contextlib.closing(connect(duckdb.url, None)) as warehouse:

        def conflict() -> None:
            warehouse.execute("INSERT INTO orders VALUES (1)")
            with warehouse._connection.cursor() as other:  # noqa: SLF001 - of the same process
                other.execute("INSERT INTO orders VALUES (1)")

        def interrupted() -> None:
            warehouse.execute("INSERT INTO orders VALUES (2)")
            raise InterruptedError

        with pytest.raises(DuckDBError, match="Failed to commit"):
            transact(warehouse, conflict)
        with pytest.raises(InterruptedError):
            transact(warehouse, interrupted)
        assert warehouse.execute("SELECT id FROM orders") == [(1,)]
