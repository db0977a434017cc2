"""Keys and indexes that users or earlier loads have given to tables."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.targets.target_warehouse.warehouses import (
    DuckDB,
    Warehouse,
    record,
    run_sql,
    schema,
    state,
)


@pytest.mark.parametrize(
    "table",
    [
        ["CREATE TABLE orders (id INTEGER PRIMARY KEY, note VARCHAR, n TINYINT)"],
        ["CREATE TABLE orders (id INTEGER UNIQUE, note VARCHAR NOT NULL DEFAULT 'x', n DOUBLE)"],
        ["CREATE TABLE orders (id INTEGER, note VARCHAR, n INTEGER CHECK (n <> 7))"],
        [
            "CREATE TABLE orders (id INTEGER, note VARCHAR, n INTEGER)",
            "CREATE INDEX i ON orders (note)",
        ],
        [
            (
                "CREATE TABLE orders "
                "(id INTEGER, n FLOAT, g INTEGER GENERATED ALWAYS AS (1), note VARCHAR)"
            )
        ],
    ],
)
def test_keys_and_indexes_of_the_user_in_duckdb(duckdb: DuckDB, table: Sequence[str]) -> None:
    run_sql(
        duckdb,
        *table,
        "INSERT INTO orders (id, note, n) VALUES (1, 'old', 1)",
        "CREATE VIEW v AS SELECT id FROM orders",
    )
    orders = schema("orders", id="integer", note="string", n="number")

    for note in "ab":
        duckdb.load(
            orders,
            record("orders", id=2, note=note, n=5_000_000_000),
            record("orders", id=9_000_000_000, note=note, n=0.5),
        )

    assert duckdb.rows("SELECT id, note, n::DOUBLE FROM orders ORDER BY id") == [
        (1, "old", 1.0),
        (2, "b", 5e9),
        (9_000_000_000, "b", 0.5),
    ]
    assert duckdb.rows("SELECT count(*) FROM v") == [(3,)]
    held = (
        "SELECT sql FROM duckdb_tables() WHERE table_name = 'orders' "
        "UNION ALL SELECT sql FROM duckdb_indexes()"
    )
    sql = " ".join(text for (text,) in duckdb.rows(held))
    words = ("PRIMARY KEY", "UNIQUE", "CHECK", "CREATE INDEX", "GENERATED", "DEFAULT")
    assert [word for word in words if word in sql] == [
        word for word in words if word in " ".join(table)
    ]


def test_a_key_with_fewer_columns_over_rows_that_share_it(warehouse: Warehouse) -> None:
    lines = {"id": "integer", "line": "integer"}
    warehouse.load(
        schema("orders", ["id", "line"], **lines),
        record("orders", id=1, line=1),
        record("orders", id=1, line=2),
    )

    run = warehouse.load(
        schema("orders", ["id"], **lines), record("orders", id=1, line=3), state(1), fails=True
    )

    assert run.states == []
    assert "changes from id, line to id" in str(run.error)
    assert warehouse.rows("SELECT id, line FROM orders ORDER BY line") == [(1, 1), (1, 2)]


def test_a_key_that_gains_and_loses_a_column(warehouse: Warehouse) -> None:
    columns = {"id": "integer", "name": "string"}
    for keys in (["id"], ["id", "name"], ["id"], ["name", "id"]):
        for _ in range(2):
            warehouse.load(schema("orders", keys, **columns), record("orders", id=1, name="a"))

    assert warehouse.rows("SELECT id, name FROM orders") == [(1, "a")]
