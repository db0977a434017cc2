"""Rows of people are erased, and no other rows, in tables that other programs have made."""

from __future__ import annotations

import os

import pytest

from attribution_elt.core.errors import OpsError
from attribution_elt.core.people import People, Personal
from attribution_elt.erasure.tables import Place, SchemaEraser, Stream, open_schema
from tests.targets.target_warehouse.warehouses import (
    DuckDB,
    PostgreSQL,
    SQLite,
    Warehouse,
    record,
    run_sql,
    schema,
)

JANE, JOE = "jane@mail.example", "joe@mail.example"


def erase(warehouse: Warehouse, keys: frozenset[str] = frozenset()) -> int:
    """Erase Jane from the stream `orders`, and return the number of rows."""
    personal = Personal(frozenset({"email", "phone"}), keys=keys)
    place = Place("the warehouse", warehouse.url, None, (Stream("orders", personal),))
    eraser = SchemaEraser(place, People([JANE], ["key"]))
    try:
        eraser.learn()
        count = len(eraser.count())
        assert len(eraser.erase()) >= count  # rows of heirs are changed in two tables
        assert len(eraser.count()) == 0
        eraser.scrub()
    finally:
        eraser.close()
    return count


def test_a_statement_that_the_warehouse_refuses_is_named_with_its_place(
    postgresql: PostgreSQL,
) -> None:
    run_sql(
        postgresql,
        "CREATE TABLE orders (email text)",
        f"INSERT INTO orders VALUES ('{JANE}')",
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE insufficient_privilege USING MESSAGE = 'permission denied'; END $$",
        "CREATE TRIGGER refuse BEFORE UPDATE OR DELETE ON orders FOR EACH ROW "
        "EXECUTE FUNCTION refuse()",
    )
    place = Place("the warehouse", postgresql.url, None)
    with (
        pytest.raises(OpsError, match=r"^the warehouse: permission denied"),
        open_schema(place, People([JANE], ["key"])) as eraser,
    ):
        eraser.erase()


def test_tables_that_the_user_has_no_right_to_are_not_passed_over(
    postgresql: PostgreSQL, postgres_url: str
) -> None:
    role = f"eraser_{os.getpid()}"
    run_sql(
        postgresql,
        "CREATE TABLE orders (email text)",
        f"INSERT INTO orders VALUES ('{JANE}')",
        f"CREATE ROLE {role} LOGIN",
    )
    url = postgres_url.replace("//postgres:", f"//{role}:").replace("//postgres@", f"//{role}@")
    try:
        with (
            pytest.raises(OpsError, match=r"^the warehouse: permission denied for table orders"),
            open_schema(Place("the warehouse", url, None), People([JANE], ["key"])) as eraser,
        ):
            eraser.count()
    finally:
        run_sql(postgresql, f"DROP ROLE {role}")


@pytest.mark.parametrize("keys", [frozenset[str](), frozenset({"email"})])
def test_rows_of_partitions_have_the_same_place(
    postgresql: PostgreSQL, keys: frozenset[str]
) -> None:
    run_sql(
        postgresql,
        "CREATE TABLE orders (id int, email text, phone text) PARTITION BY RANGE (id)",
        "CREATE TABLE a_part PARTITION OF orders FOR VALUES FROM (0) TO (10)",
        "CREATE TABLE z_part PARTITION OF orders FOR VALUES FROM (10) TO (20)",
        f"INSERT INTO orders VALUES (1, '{JOE}', '1'), (11, '{JANE}', '2'), (12, '{JOE}', '3')",
    )
    assert erase(postgresql, keys) == 1

    left = [] if keys else [(11, None, None)]
    rows = postgresql.rows("SELECT * FROM orders ORDER BY id")
    assert rows == [(1, JOE, "1"), *left, (12, JOE, "3")]


def test_rows_of_heirs_lose_all_personal_columns(postgresql: PostgreSQL) -> None:
    run_sql(
        postgresql,
        "CREATE TABLE orders (id int, email text, phone text)",
        "CREATE TABLE an_heir (address text) INHERITS (orders)",
        f"INSERT INTO orders VALUES (1, '{JOE}', '1')",
        f"INSERT INTO an_heir VALUES (2, '{JANE}', '2', '{JANE}'), (3, '{JOE}', '3', '{JANE}')",
    )
    assert erase(postgresql) == 2

    assert postgresql.rows("SELECT * FROM orders ORDER BY id") == [
        (1, JOE, "1"),
        (2, None, None),
        (3, JOE, "3"),
    ]
    assert postgresql.rows("SELECT address FROM an_heir") == [(None,), (None,)]


@pytest.mark.parametrize(
    "definition",
    [
        "(id int, rowid text, email text)",
        "(id int, ROWID text, _rowid_ text, email text)",
        "(id text PRIMARY KEY, email text) WITHOUT ROWID",
        "(id int, rowid text, email text, PRIMARY KEY (rowid, id)) WITHOUT ROWID",
        "(id, a text DEFAULT 7, email text, PRIMARY KEY (a, id)) WITHOUT ROWID",
    ],
)
def test_tables_whose_row_ids_are_hidden(
    sqlite: SQLite, definition: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("target_warehouse.warehouses.tables.ROWS_AT_ONCE", 1)
    definition = definition.replace("rowid text", "rowid text DEFAULT 7", 1)
    run_sql(
        sqlite,
        f"CREATE TABLE orders {definition}",
        f"INSERT INTO orders (id, email) VALUES (1, '{JOE}'), (2, '{JANE}'), (3, '{JOE}')",
    )
    assert erase(sqlite) == 1

    assert sqlite.rows("SELECT email FROM orders ORDER BY id") == [(JOE,), (None,), (JOE,)]


@pytest.mark.parametrize(
    ("database", "types"),
    [
        ("postgresql", "a text[], b bytea, c jsonb, d varchar(40)"),
        ("duckdb", "a varchar[], b blob, c json, d map(varchar, varchar), e struct(f varchar)"),
        ("sqlite", "a, b blob, c json, d text"),
    ],
)
def test_columns_of_any_type(request: pytest.FixtureRequest, database: str, types: str) -> None:
    warehouse: Warehouse = request.getfixturevalue(database)
    values = {
        "a": f"['{JOE}', '{JANE}']" if database != "sqlite" else f"CAST('{JANE}' AS blob)",
        "b": f"'{JANE}'::bytea" if database == "postgresql" else f"CAST('{JANE}' AS blob)",
        "c": f"""'{{"to": ["{JOE}", "{JANE}"], "n": 0.12345678901234567890}}'""",
        "d": f"map {{'to': '{JANE}'}}" if database == "duckdb" else f"'to {JANE}'",
        "e": f"{{'f': '{JANE}'}}",
    }
    names = [each.split()[0] for each in types.split(", ") if each[1:2] in ("", " ")]
    row = ", ".join(values[name] for name in names)
    if database == "postgresql":
        row = f"array{row}"
    run_sql(
        warehouse, f"CREATE TABLE notes (id int, {types})", f"INSERT INTO notes VALUES (1, {row})"
    )
    run_sql(warehouse, "INSERT INTO notes (id) VALUES (2)")
    assert erase(warehouse) == 1

    [(_, a, b, c, d, *e)] = warehouse.rows("SELECT * FROM notes WHERE id = 1")
    assert (a, b, *e) == (None, None, *e)
    assert JOE in str(c)
    assert "0.12345678901234567890" in str(warehouse.rows("SELECT CAST(c AS text) FROM notes"))
    assert d == (None if database == "duckdb" else "to erased")


@pytest.mark.parametrize("form", ["{}", "to {}"])
@pytest.mark.parametrize("rule", ["PRIMARY KEY", "NOT NULL UNIQUE", "CHECK (contact LIKE '%@%')"])
def test_rows_are_removed_where_a_constraint_keeps_the_address(
    warehouse: Warehouse, rule: str, form: str
) -> None:
    contacts = [form.format(each) for each in (JANE, JANE.upper(), JOE)]
    run_sql(
        warehouse,
        f"CREATE TABLE letters (id int, contact varchar(99) {rule})",
        *(f"INSERT INTO letters VALUES (1, '{contact}')" for contact in contacts),
    )
    assert erase(warehouse) == 2

    left = warehouse.rows("SELECT contact FROM letters WHERE contact IS NOT NULL")
    assert left == [(contacts[-1],)]


def test_tables_without_row_ids_or_key_are_refused(sqlite: SQLite, duckdb: DuckDB) -> None:
    run_sql(sqlite, "CREATE TABLE orders (rowid text, _rowid_ text, oid text, email text)")
    run_sql(duckdb, "CREATE TABLE orders (rowid text, email text)")
    for warehouse in (sqlite, duckdb):
        with pytest.raises(OpsError, match="cannot be erased from the table 'orders': its column"):
            erase(warehouse)


def test_a_property_called_like_the_row_ids_of_duckdb(duckdb: DuckDB) -> None:
    message = schema("orders", ["id"], id="integer", rowid="integer", email="string")
    rows = [record("orders", id=id_, rowid=7, email=each) for id_, each in enumerate((JANE, JOE))]
    for _ in range(2):
        duckdb.load(message, *rows)
    assert erase(duckdb) == 1

    assert duckdb.rows("SELECT email FROM orders ORDER BY id") == [(None,), (JOE,)]
