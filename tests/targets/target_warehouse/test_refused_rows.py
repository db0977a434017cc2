"""Rows that only the database refuses are found without a transaction for each of them."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest
from duckdb import Error
from target_warehouse.errors import RecordsRejectedError
from target_warehouse.warehouses.base import Adapter
from target_warehouse.warehouses.duckdb.adapter import DuckDBAdapter
from target_warehouse.warehouses.postgresql import adapter, probe

from tests.targets.target_warehouse.warehouses import (
    DuckDB,
    PostgreSQL,
    record,
    run_sql,
    schema,
    state,
)

ORDERS = schema("orders", id="integer", note="string", amount="number")
TABLE = (
    "CREATE TABLE orders (id bigint PRIMARY KEY, note text NOT NULL CHECK (note <> 'bad'), "
    "amount numeric DEFAULT 1, UNIQUE (amount))"
)
NOTES = {
    "bad": 'new row for relation "orders" violates check constraint "orders_note_check"',
    None: 'null value in column "note" of relation "orders" violates not-null constraint',
    "a\nb\\.\t\\N": None,
    "good": None,
}


@pytest.fixture
def transactions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The rollbacks of the adapters."""
    seen: list[str] = []

    def count(of: type[Adapter]) -> None:
        rollback = of.rollback

        def counted(self: Adapter) -> None:
            seen.append("rollback")
            rollback(self)

        monkeypatch.setattr(of, "rollback", counted)

    count(adapter.PostgreSQLAdapter)
    count(DuckDBAdapter)
    return seen


def test_many_refused_rows(postgresql: PostgreSQL, transactions: list[str]) -> None:
    run_sql(postgresql, TABLE)
    choice = random.Random(3)
    sent = {number: choice.choices(list(NOTES), weights=[1, 1, 2, 8])[0] for number in range(1_500)}
    run = postgresql.load(
        ORDERS, *(record("orders", id=id_, note=note) for id_, note in sent.items()), fails=True
    )

    assert isinstance(run.error, RecordsRejectedError)
    kept = [(id_, note) for id_, note in sent.items() if NOTES[note] is None]
    assert postgresql.rows("SELECT id, note FROM orders ORDER BY id") == kept
    assert postgresql.rows(
        "SELECT (record::json ->> 'id')::bigint, reason FROM _rejected ORDER BY 1"
    ) == [(id_, NOTES[note]) for id_, note in sent.items() if NOTES[note]]
    assert len(transactions) <= 3


def test_refused_updates_leave_the_old_rows(postgresql: PostgreSQL) -> None:
    run_sql(postgresql, TABLE, "INSERT INTO orders (id, note, amount) VALUES (1, 'old', 9)")

    postgresql.load(
        ORDERS,
        *(record("orders", id=id_, note="bad") for id_ in (1, 2)),
        record("orders", id=3, note="new", amount=3),
        state("done"),
        fails=True,
    )

    assert postgresql.rows("SELECT id, note FROM orders ORDER BY id") == [(1, "old"), (3, "new")]


def test_rows_that_only_a_comparison_with_others_refuses(postgresql: PostgreSQL) -> None:
    run_sql(postgresql, TABLE)

    postgresql.load(
        ORDERS,
        *(record("orders", id=id_, note="good", amount=id_ // 2) for id_ in range(8)),
        record("orders", id=8, note="bad", amount=8),
        fails=True,
    )

    assert postgresql.rows("SELECT count(*), count(DISTINCT amount) FROM orders") == [(4, 4)]
    assert postgresql.rows("SELECT count(*) FROM _rejected") == [(5,)]


def test_a_trigger_may_correct_rows_that_a_check_would_refuse(postgresql: PostgreSQL) -> None:
    run_sql(
        postgresql,
        TABLE,
        "CREATE FUNCTION mend() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NEW.id = 2 THEN NEW.note = 'mended'; END IF; RETURN NEW; END $$",
        "CREATE TRIGGER mending BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION mend()",
    )

    postgresql.load(ORDERS, *(record("orders", id=id_, note="bad") for id_ in (1, 2)), fails=True)

    assert postgresql.rows("SELECT id, note FROM orders") == [(2, "mended")]


def test_after_an_error_without_a_line_the_rows_are_halved(
    postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "_LINE", re.compile("(never)"))
    run_sql(postgresql, TABLE)

    postgresql.load(
        ORDERS,
        *(record("orders", id=id_, note="bad" if id_ == 5 else "good") for id_ in range(9)),
        fails=True,
    )

    assert postgresql.rows("SELECT count(*) FROM orders") == [(8,)]


ITEMS = schema("items", id="integer", code="string", mood="string", note="string", amount="number")
ITEMS_TABLE = (
    "CREATE TABLE items (id bigint, code uuid, mood ENUM ('good', 'bad'), note text NOT NULL, "
    "amount decimal(38, 2), CHECK (amount > 0), CHECK (note <> 'it''s' AND mood <> 'bad'), "
    "made text DEFAULT 'here')"
)
CODE = "9f5a4a46-6a3b-4f6c-8a0e-2d1f1c9b7e10"
CHOICES: dict[str, list[Any]] = {
    "code": [CODE, None, CODE.upper(), "x", "it's"],
    "mood": ["good", None, "bad", "ugly"],
    "note": ["fine", "fine", "", "it's", None],
    "amount": [1, None, 2, 0, -3],
}


def refused_alone(connection: Any, row: dict[str, Any]) -> str | None:
    """Return the error of a statement that inserts a row into a copy of the table."""
    names, marks = ", ".join(row), ", ".join("?" for _ in row)
    try:
        connection.execute(f"INSERT INTO alone ({names}) VALUES ({marks})", [*row.values()])
    except Error as error:
        return str(error).splitlines()[0].replace("alone", "items")
    return None


def test_duckdb_finds_refused_rows_with_one_query(duckdb: DuckDB, transactions: list[str]) -> None:
    run_sql(duckdb, ITEMS_TABLE)
    choice = random.Random(5)
    sent = [
        {"id": number, **{name: choice.choice(values) for name, values in CHOICES.items()}}
        for number in range(400)
    ]
    with duckdb.connected() as connection:
        connection.execute(ITEMS_TABLE.replace("TABLE items", "TEMPORARY TABLE alone"))
        reasons = {row["id"]: refused_alone(connection, row) for row in sent[:50]}

    run = duckdb.load(ITEMS, *(record("items", **row) for row in sent), fails=True)

    assert isinstance(run.error, RecordsRejectedError)
    assert len(transactions) <= 3
    kept = duckdb.rows("SELECT id, NULL FROM items WHERE id < 50")
    found = duckdb.rows(
        "SELECT (record::json ->> 'id')::bigint AS id, reason FROM _rejected WHERE id < 50"
    )
    assert dict(kept) | dict(found) == reasons
    assert len(kept) + len(found) == 50


def test_duckdb_halves_rows_when_a_check_needs_a_column_that_they_lack(duckdb: DuckDB) -> None:
    run_sql(
        duckdb,
        "CREATE TABLE orders (id bigint, note text, amount decimal(38, 2), most int DEFAULT 5, "
        "CHECK (id < most))",
    )

    duckdb.load(ORDERS, *(record("orders", id=id_, note="x") for id_ in range(8)), fails=True)

    assert duckdb.rows("SELECT id FROM orders ORDER BY id") == [(id_,) for id_ in range(5)]


def test_duckdb_finds_rows_that_only_a_comparison_with_others_refuses(duckdb: DuckDB) -> None:
    run_sql(duckdb, "CREATE TABLE orders (id bigint, note text, amount decimal(38, 2) UNIQUE)")

    duckdb.load(
        ORDERS, *(record("orders", id=id_, amount=id_ // 2) for id_ in range(8)), fails=True
    )

    assert duckdb.rows("SELECT count(*), count(DISTINCT amount) FROM orders") == [(4, 4)]
    assert duckdb.rows("SELECT count(*) FROM _rejected") == [(4,)]
