"""Keys and indexes that users or earlier loads have given to tables."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.targets.target_warehouse.claims import announced, claim, claiming
from tests.targets.target_warehouse.warehouses import (
    DuckDB,
    PostgreSQL,
    SQLite,
    Warehouse,
    raw_record,
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


UUID = "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"
SPELLINGS = [UUID, UUID.lower(), UUID.replace("-", ""), f"{{{UUID}}}"]


@pytest.mark.parametrize("name", ["duckdb", "postgresql"])
@pytest.mark.parametrize("more", [0, 5_000])
def test_spellings_of_a_uuid_are_one_key(
    name: str, more: int, request: pytest.FixtureRequest
) -> None:
    warehouse: Warehouse = request.getfixturevalue(name)
    run_sql(warehouse, "CREATE TABLE orders (id uuid, note varchar, also uuid)")
    orders = schema("orders", id="string", note="string", also="string")
    others = [record("orders", id=f"{number:032x}") for number in range(more)]
    for note in ("first", "second"):
        spelled = [
            record("orders", id=text, note=f"{note} {place}", also=text)
            for place, text in enumerate(SPELLINGS)
        ]
        warehouse.load(orders, *others, *spelled, state(1), add_record_metadata=True)

    rows = warehouse.rows("SELECT id::text, note, also::text FROM orders WHERE note IS NOT NULL")
    assert rows == [(UUID.lower(), "second 3", UUID.lower())]
    assert warehouse.rows("SELECT count(*) FROM orders") == [(more + 1,)]
    assert warehouse.rows("SELECT inserted, updated, unchanged FROM _runs ORDER BY started_at") == [
        (more + 1, 0, 3),
        (0, 1, more + 3),
    ]


@pytest.mark.parametrize(
    ("type_", "old", "spellings"),
    [
        ("inet", "10.0.0.1", ["10.0.0.1/32", "2001:DB8::1", "2001:db8:0::1"]),
        ("cidr", "10.0.0.0/8", ["10/8", "10.0.0.0/08"]),
        ("macaddr", "08:00:2b:01:02:03", ["08002B010203", "08-00-2b-01-02-03"]),
    ],
)
def test_keys_of_types_with_several_spellings_become_text(
    postgresql: PostgreSQL, type_: str, old: str, spellings: Sequence[str]
) -> None:
    run_sql(
        postgresql,
        f"CREATE TABLE orders (id {type_} PRIMARY KEY, note text)",
        f"INSERT INTO orders VALUES ('{old}', 'old')",
    )
    lines = [record("orders", id=text, note="new") for text in [old, *spellings]]
    postgresql.load(schema("orders", id="string", note="string"), *lines)

    assert sorted(postgresql.rows("SELECT * FROM orders")) == sorted(
        (text, "new") for text in [old, *spellings]
    )


@pytest.mark.parametrize("numbers", ["text", "NUMERIC(38, 2)"])
def test_one_number_is_one_key_in_a_column_that_became_text(
    warehouse: Warehouse, numbers: str
) -> None:
    orders = schema("orders", id="number", note="string")
    run_sql(warehouse, f"CREATE TABLE orders (id {numbers}, note varchar(99))")
    warehouse.load(orders, raw_record("orders", '{"id": 2.50, "note": "old"}'))
    long = "9" * 50
    for note in "ab":
        keys = (long, f"{long}.00", "2.5", "2.500", "25e-1", "-0.0", "0", "1e2000")
        texts = (f'{{"id": {key}, "note": "{note}"}}' for key in keys)
        warehouse.load(orders, *(raw_record("orders", text) for text in texts))

    assert warehouse.rows("SELECT note, count(*) FROM orders GROUP BY note") == [("b", 4)]


@pytest.mark.parametrize(
    ("name", "type_"), [("duckdb", "uuid"), ("postgresql", "uuid"), ("postgresql", "mood")]
)
def test_keys_of_other_types_vanish_and_come_back(
    name: str, type_: str, request: pytest.FixtureRequest
) -> None:
    warehouse: Warehouse = request.getfixturevalue(name)
    ids = [UUID, UUID.replace("A", "B")] if type_ == "uuid" else ["sad", "glad"]
    mood = ["CREATE TYPE mood AS ENUM ('sad', 'glad')"] if type_ == "mood" else []
    run_sql(warehouse, *mood, f"CREATE TABLE orders (id {type_}, note varchar)")
    orders = announced(schema("orders", id="string", note="string"), "id")
    whole = [record("orders", id=id_) for id_ in ids]
    for rows in (whole, whole[:1], whole, whole[1:]):
        claims = claiming(1, claim(len(rows), "orders"))
        warehouse.load(orders, *rows, claims, add_record_metadata=True)

    assert warehouse.rows("SELECT id::text FROM orders") == [
        (ids[1].lower() if type_ == "uuid" else ids[1],)
    ]
    counts = warehouse.rows("SELECT vanished, revived FROM _runs ORDER BY started_at")
    assert counts == [(0, 0), (1, 0), (0, 1), (1, 0)]


@pytest.mark.parametrize(
    ("name", "type_"), [("duckdb", "uuid"), ("postgresql", "uuid"), ("postgresql", "mood")]
)
def test_overwrite_keeps_keys_of_other_types(
    name: str, type_: str, request: pytest.FixtureRequest
) -> None:
    warehouse: Warehouse = request.getfixturevalue(name)
    ids = SPELLINGS if type_ == "uuid" else ["sad"]
    mood = ["CREATE TYPE mood AS ENUM ('sad', 'glad')"] if type_ == "mood" else []
    run_sql(warehouse, *mood, f"CREATE TABLE orders (id {type_}, note varchar)")
    orders = schema("orders", id="string", note="string")
    for note in "ab":
        rows = [record("orders", id=id_, note=note) for id_ in (*ids, "other")]
        run = warehouse.load(orders, *rows, state(1), load_method="overwrite", fails=True)
        assert "1 record was rejected" in str(run.error)

        key = ids[0].lower() if type_ == "uuid" else "sad"
        assert warehouse.rows("SELECT id::text, note FROM orders") == [(key, note)]


def test_claims_on_a_table_whose_key_a_view_keeps_narrow(postgresql: PostgreSQL) -> None:
    run_sql(
        postgresql,
        "CREATE TABLE orders (id integer PRIMARY KEY)",
        "INSERT INTO orders VALUES (1), (2)",
        "CREATE VIEW v AS SELECT id FROM orders",
    )
    lines = [record("orders", id=1), record("orders", id=5_000_000_000)]
    run = postgresql.load(
        announced(schema("orders", id="integer"), "id"),
        *lines,
        claiming(1, claim(2, "orders")),
        add_record_metadata=True,
        fails=True,
    )

    assert run.states == [1]
    assert "1 record was rejected" in str(run.error)
    assert postgresql.rows("SELECT id FROM orders") == [(1,)]


def test_a_table_with_child_tables_is_refused_with_a_key(postgresql: PostgreSQL) -> None:
    run_sql(
        postgresql,
        "CREATE TABLE orders (id bigint)",
        "CREATE TABLE old_orders () INHERITS (orders)",
        "INSERT INTO old_orders VALUES (1)",
    )
    rows = [record("orders", id=1), state(1)]
    run = postgresql.load(schema("orders", id="integer"), *rows, fails=True)
    assert run.states == []
    assert "inherit from the table 'orders'" in str(run.error)

    postgresql.load(schema("orders", [], id="integer"), *rows)
    assert postgresql.rows("SELECT id FROM orders") == [(1,), (1,)]


def test_moments_of_other_programs_are_the_same_keys(sqlite: SQLite) -> None:
    moments = ["2024-01-01 00:00:00", "2024-01-02T01:00:00.5+01:00", "2024-01-03", "1704067200"]
    held = ", ".join(f"('{text}', 'old')" for text in moments)
    run_sql(
        sqlite,
        "CREATE TABLE days (at DATETIME, note TEXT)",
        f"INSERT INTO days VALUES {held}",
    )
    days = schema("days", ["at"], at={"type": "string", "format": "date-time"}, note="string")
    texts = [f"2024-01-0{day}T00:00:00{'.5' if day == 2 else ''}Z" for day in (1, 2, 3)]
    for note in "ab":
        sqlite.load(days, *(record("days", at=text, note=note) for text in texts))

    assert sqlite.rows("SELECT at, note FROM days ORDER BY note, at") == [
        ("2024-01-01 00:00:00.000000+00:00", "b"),
        ("2024-01-02 00:00:00.500000+00:00", "b"),
        ("2024-01-03 00:00:00.000000+00:00", "b"),
        (1704067200, "old"),
    ]


def test_rows_without_a_value_of_the_key_stay(warehouse: Warehouse) -> None:
    run_sql(
        warehouse,
        "CREATE TABLE orders (id bigint, note varchar(99))",
        "INSERT INTO orders VALUES (NULL, 'old'), (NULL, 'older')",
    )
    for note in "ab":
        row = record("orders", id=1, note=note)
        warehouse.load(schema("orders", id="integer", note="string"), row)

    assert warehouse.rows("SELECT id, note FROM orders ORDER BY note") == [
        (1, "b"),
        (None, "old"),
        (None, "older"),
    ]
