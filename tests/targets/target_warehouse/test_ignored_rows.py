"""Tables whose triggers, rules or constraints drop rows without an error: their streams end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from target_warehouse.warehouses.postgresql.adapter import PostgreSQLAdapter

from tests.targets.target_warehouse.claims import announced, claim, claiming
from tests.targets.target_warehouse.warehouses import (
    PostgreSQL,
    Run,
    SQLite,
    Warehouse,
    record,
    run_sql,
    schema,
    state,
)

ORDERS = schema("orders", id="integer", note="string")
KEYLESS = schema("orders", [], id="integer", note="string")
EVENT = {"remove": "DELETE", "mark": "UPDATE"}
TABLE = "CREATE TABLE orders (id bigint PRIMARY KEY, note text)"


def trigger(body: str, events: str, table: str = "orders") -> list[str]:
    return [
        f"CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$",
        f"CREATE TRIGGER t BEFORE {events} ON {table} FOR EACH ROW EXECUTE FUNCTION f()",
    ]


def dropping(events: str, table: str = "orders") -> list[str]:
    return trigger("IF NEW.id = 2 THEN RETURN NULL; END IF; RETURN NEW;", events, table)


def orders(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    return warehouse.rows("SELECT id, note FROM orders ORDER BY id")


def assert_refused(run: Run, ignored: str) -> None:
    assert run.states == []
    assert f"the table 'orders' ignored {ignored} rows: one of its triggers" in str(run.error)


@pytest.mark.parametrize("message", [ORDERS, KEYLESS])
def test_a_trigger_that_drops_new_rows(postgresql: PostgreSQL, message: dict[str, Any]) -> None:
    run_sql(postgresql, TABLE.replace("PRIMARY KEY", ""), *dropping("INSERT"))
    lines = [message, record("orders", id=1), record("orders", id=2)]
    for _ in range(2):
        other = [schema("others", id="integer"), record("others", id=1)]
        assert_refused(postgresql.load(*lines, *other, state(1), fails=True), "1 of 2")

    assert orders(postgresql) == []
    assert postgresql.rows("SELECT id FROM others")[:1] == [(1,)]


@pytest.mark.parametrize("history", [[], ["*"]])
@pytest.mark.parametrize("trigger_", [dropping("UPDATE"), dropping("INSERT", "part")])
def test_a_trigger_that_drops_rows_of_a_merge(
    postgresql: PostgreSQL, trigger_: Sequence[str], history: Sequence[str]
) -> None:
    run_sql(
        postgresql,
        f"{TABLE} PARTITION BY RANGE (id)",
        "CREATE TABLE part PARTITION OF orders FOR VALUES FROM (0) TO (9)",
        "INSERT INTO orders VALUES (1, 'old')",
        *(["INSERT INTO orders VALUES (2, 'old')"] if "part" not in trigger_[1] else []),
        *trigger_,
    )
    before = orders(postgresql)
    lines = [ORDERS, *(record("orders", id=id_, note="new") for id_ in (1, 2, 3)), state(1)]
    settings: dict[str, Any] = {"history": history, "add_record_metadata": True}
    assert_refused(postgresql.load(*lines, **settings, fails=True), "1 of 3")
    assert orders(postgresql) == before


@pytest.mark.parametrize("body", ["NEW.note := upper(NEW.note);", "NEW.note := 'a';"])
def test_triggers_that_change_values_are_permitted(postgresql: PostgreSQL, body: str) -> None:
    run_sql(postgresql, TABLE, *trigger(f"{body} RETURN NEW;", "INSERT OR UPDATE"))
    for note in "abb":
        rows = [record("orders", id=id_, note=note) for id_ in (1, 2)]
        postgresql.load(ORDERS, *rows)

    assert [id_ for id_, _ in orders(postgresql)] == [1, 2]


@pytest.mark.parametrize("rule", ["NEW.id", "OLD.id"])
def test_overwrite_of_a_table_that_drops_rows(postgresql: PostgreSQL, rule: str) -> None:
    events = "INSERT" if "NEW" in rule else "DELETE"
    body = f"IF {rule} = 2 THEN RETURN NULL; END IF; RETURN COALESCE(NEW, OLD);"
    held = "INSERT INTO orders VALUES (9, 'old'), (2, 'old')"
    run_sql(postgresql, TABLE, held, *trigger(body, events))

    rows = [record("orders", id=id_) for id_ in ((1, 2) if "NEW" in rule else (1,))]
    settings: dict[str, Any] = {"load_method": "overwrite", "add_record_metadata": True}
    run = postgresql.load(ORDERS, *rows, state(1), **settings, fails=True)

    assert run.states == []
    assert "stream 'orders': the table 'orders' ignored 1 of" in str(run.error)
    assert postgresql.rows("SELECT message FROM _runs") == [(str(run.error),)]
    assert orders(postgresql) == [(2, "old"), (9, "old")]


@pytest.mark.parametrize("vanished", ["remove", "mark"])
def test_a_table_whose_trigger_keeps_vanished_rows(postgresql: PostgreSQL, vanished: str) -> None:
    message = announced(ORDERS, "id")
    lines = [message, record("orders", id=1), record("orders", id=2)]
    settings: dict[str, Any] = {"vanished": vanished, "add_record_metadata": True}
    postgresql.load(*lines, state(1), **settings)
    run_sql(postgresql, *trigger("RETURN NULL;", EVENT[vanished]))

    whole = claiming(2, claim(1, "orders"))
    run = postgresql.load(message, record("orders", id=1), whole, **settings, fails=True)

    assert "ignored 1 of 1 rows" in str(run.error)


@pytest.mark.parametrize("vanished", ["remove", "mark"])
def test_policies_that_keep_vanished_rows(
    postgresql: PostgreSQL, guest: PostgreSQL, vanished: str
) -> None:
    message = announced(ORDERS, "id")
    lines = [message, record("orders", id=1), record("orders", id=2)]
    settings: dict[str, Any] = {"vanished": vanished, "add_record_metadata": True}
    guest.settings = settings
    postgresql.load(*lines, state(1), **settings)
    run_sql(
        postgresql,
        "ALTER TABLE orders ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY a ON orders USING (true)",
    )
    whole = claiming(2, claim(1, "orders"))
    run_sql(
        postgresql, f"CREATE POLICY b ON orders AS RESTRICTIVE FOR {EVENT[vanished]} USING (id = 1)"
    )
    run = guest.load(message, record("orders", id=1), whole, fails=True)
    assert_refused(run, "1 of 1")

    run_sql(postgresql, "DROP POLICY b ON orders")
    assert guest.load(message, record("orders", id=1), whole).states == [2]
    live = "SELECT id FROM orders WHERE _sdc_deleted_at IS NULL"
    assert postgresql.rows(live) == [(1,)]


@pytest.mark.parametrize("keys", [["id"], ["email"]])
def test_personal_data_that_a_trigger_keeps(
    postgresql: PostgreSQL, sqlite: SQLite, keys: list[str]
) -> None:
    message = schema("orders", keys, id="integer", email="string")
    row = record("orders", id=1, email="jane@mail.example")
    settings: dict[str, Any] = {"add_record_metadata": True}
    for warehouse in (postgresql, sqlite):
        warehouse.load(personal(message, "keep"), row, state(1), **settings)
    run_sql(postgresql, *trigger("RETURN NULL;", "UPDATE OR DELETE"))
    for event in ("UPDATE", "DELETE"):
        ignoring = f"BEFORE {event} ON orders BEGIN SELECT RAISE(IGNORE); END"
        run_sql(sqlite, f"CREATE TRIGGER {event.lower()}s {ignoring}")

    for warehouse in (postgresql, sqlite):
        hashed = personal(message, "hash:1")
        assert_refused(warehouse.load(hashed, state(2), **settings, fails=True), "1 of 1")


def personal(message: dict[str, Any], setting: str) -> dict[str, Any]:
    """A SCHEMA message of a tap with this setting of `pii`."""
    announcement = {"pii": ["email"], "setting": setting}
    return {**message, "schema": {**message["schema"], "x-personal": announcement}}


@pytest.mark.parametrize(
    ("table", "second"),
    [
        ("(id INTEGER PRIMARY KEY, note TEXT UNIQUE ON CONFLICT IGNORE)", "a"),
        ("(id INTEGER PRIMARY KEY, note TEXT UNIQUE ON CONFLICT REPLACE)", "a"),
        ("(id INTEGER PRIMARY KEY, note TEXT NOT NULL ON CONFLICT IGNORE)", None),
        ("(id INTEGER PRIMARY KEY, note TEXT)", "ignore"),
    ],
)
@pytest.mark.parametrize("message", [ORDERS, KEYLESS])
def test_conflict_clauses_and_triggers_of_sqlite(
    sqlite: SQLite, table: str, second: str | None, message: dict[str, Any]
) -> None:
    run_sql(
        sqlite,
        f"CREATE TABLE orders {table}",
        "CREATE TRIGGER t BEFORE INSERT ON orders WHEN NEW.note = 'ignore' "
        "BEGIN SELECT RAISE(IGNORE); END",
        "CREATE TRIGGER u BEFORE UPDATE ON orders WHEN NEW.note = 'ignore' "
        "BEGIN SELECT RAISE(IGNORE); END",
    )
    sqlite.load(message, record("orders", id=1, note="a"), state(1))

    lines = [message, record("orders", id=2, note=second), record("orders", id=3, note="c")]
    assert_refused(sqlite.load(*lines, state(2), fails=True), "1 of 2")
    assert orders(sqlite) == [(1, "a")]
    if message is ORDERS and second == "ignore":
        lines = [message, record("orders", id=1, note="ignore")]
        assert_refused(sqlite.load(*lines, state(2), fails=True), "1 of 1")


@pytest.mark.parametrize("clause", ["IGNORE", "REPLACE"])
def test_a_conflict_clause_of_the_key_is_permitted(sqlite: SQLite, clause: str) -> None:
    run_sql(
        sqlite,
        f"CREATE TABLE orders (id INTEGER PRIMARY KEY ON CONFLICT {clause}, note TEXT)",
    )
    for note in "aab":
        rows = [record("orders", id=id_, note=note) for id_ in (1, 2, 1)]
        sqlite.load(ORDERS, *rows, batch_size_rows=2)

    assert orders(sqlite) == [(1, "b"), (2, "b")]


@pytest.mark.parametrize("id_", [2, 1])
def test_a_key_that_is_dropped_during_the_first_load(
    postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch, id_: int
) -> None:
    append = PostgreSQLAdapter.append

    def drop_key(adapter: PostgreSQLAdapter, *args: Any) -> None:
        if not adapter.is_empty("orders"):
            adapter.execute("ALTER TABLE orders DROP CONSTRAINT orders_pkey")
        append(adapter, *args)

    monkeypatch.setattr(PostgreSQLAdapter, "append", drop_key)
    lines = [ORDERS, record("orders", id=1), state(1), record("orders", id=id_), state(2)]
    run = postgresql.load(*lines, batch_size_rows=1, fails=id_ == 1)

    if id_ == 1:
        assert run.states == [1]
        assert "rows have the same new key" in str(run.error)
    key = postgresql.rows("SELECT count(*) FROM pg_index WHERE indrelid = 'orders'::regclass")
    assert key == [(1,)]
