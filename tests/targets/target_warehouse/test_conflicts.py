"""Loads that conflict with each other or with other clients."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from target_warehouse import worker
from target_warehouse.warehouses import transaction
from target_warehouse.warehouses.transaction import retry

from tests.targets.target_warehouse.processes import (
    PATIENCE,
    Loading,
    Source,
    assert_complete,
    assert_one_clear_line,
)
from tests.targets.target_warehouse.warehouses import Line, PostgreSQL, record, schema, state

ORDERS = schema("orders", id="integer", note="string")
OURS = "pid <> pg_backend_pid() AND datname = current_database()"


def test_an_error_that_is_not_transient_is_raised_at_once() -> None:
    adapter: Any = SimpleNamespace(errors=(LookupError,), is_transient=lambda _: False, explain=str)
    works = iter([LookupError("first"), LookupError("second")])

    def work() -> None:
        raise next(works)

    with pytest.raises(LookupError, match="first"):
        retry(adapter, work)


def test_a_transient_error_is_raised_when_the_patience_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transaction, "_PATIENCE", 0.2)
    adapter: Any = SimpleNamespace(errors=(LookupError,), is_transient=bool, explain=str)

    def work() -> None:
        raise LookupError("busy")

    with pytest.raises(LookupError, match="busy"):
        retry(adapter, work)


@pytest.fixture
def other(postgresql: PostgreSQL) -> Iterator[psycopg.Connection]:
    """Another client, with an open transaction that has changed a row."""
    postgresql.load(ORDERS, record("orders", id=1, note="old"), record("orders", id=2, note="old"))
    with psycopg.connect(postgresql.url) as connection:
        yield connection


def wait_until_it_waits(postgresql: PostgreSQL) -> None:
    """Wait until a load waits for a lock."""
    sql = f"SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND {OURS}"
    end = time.monotonic() + PATIENCE
    while not postgresql.rows(sql):
        assert time.monotonic() < end
        time.sleep(0.02)


def lines(*ids: int) -> list[Line]:
    return [ORDERS, *[record("orders", id=number, note="new") for number in ids], state("done")]


def set_for_all(postgresql: PostgreSQL, setting: str) -> None:
    """Give every new connection to the database a setting."""
    [(name,)] = postgresql.rows("SELECT current_database()")
    with psycopg.connect(postgresql.url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} SET {setting}".encode())


def test_a_deadlock(postgresql: PostgreSQL, other: psycopg.Connection) -> None:
    other.execute("SET deadlock_timeout = '1h'")  # the load must be the victim of the deadlock
    other.execute("UPDATE orders SET note = 'other' WHERE id = 2")
    loading = Loading(postgresql, lines(1, 2))
    wait_until_it_waits(postgresql)
    other.execute("UPDATE orders SET note = 'other' WHERE id = 1")
    other.commit()
    run = loading.end()

    assert (run.code, run.states) == (0, ["done"]), run.stderr
    assert postgresql.rows("SELECT id, note FROM orders ORDER BY id") == [(1, "new"), (2, "new")]


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
def test_a_load_that_cannot_be_serialised(
    postgresql: PostgreSQL, other: psycopg.Connection, isolation: str
) -> None:
    set_for_all(postgresql, f"default_transaction_isolation = '{isolation}'")
    other.execute("UPDATE orders SET note = 'other' WHERE id = 2")
    loading = Loading(postgresql, lines(1, 2))
    wait_until_it_waits(postgresql)
    other.commit()
    run = loading.end()

    assert (run.code, run.states) == (0, ["done"]), run.stderr
    assert postgresql.rows("SELECT id, note FROM orders ORDER BY id") == [(1, "new"), (2, "new")]


def refuse(other: psycopg.Connection, code: str, times: int) -> None:
    """Make inserts into `orders` fail so many times with an error code."""
    other.execute("CREATE SEQUENCE refusals")  # a rollback does not reset it
    other.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF nextval('refusals') <= {times} THEN "
        f"RAISE EXCEPTION USING ERRCODE = '{code}', MESSAGE = 'sorry: {code}'; "
        "END IF; RETURN NEW; END $$".encode()
    )
    other.execute(
        "CREATE TRIGGER refuse BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    other.commit()


@pytest.mark.parametrize("code", ["40001", "40P01", "42710"])
def test_transient_errors_are_retried(
    postgresql: PostgreSQL, other: psycopg.Connection, code: str
) -> None:
    refuse(other, code, times=2)
    run = postgresql.execute(*lines(1, 2, 3))

    assert (run.code, run.states) == (0, ["done"]), run.stderr
    assert postgresql.rows("SELECT id FROM orders WHERE note = 'new' ORDER BY id") == [
        (1,),
        (2,),
        (3,),
    ]
    assert "_rejected" not in postgresql.tables()


@pytest.mark.parametrize("code", ["53100", "42501"])
def test_permanent_errors_end_the_run(
    postgresql: PostgreSQL, other: psycopg.Connection, code: str
) -> None:
    refuse(other, code, times=10**9)
    run = postgresql.execute(*lines(1, 2, 3))

    assert_one_clear_line(run, f"sorry: {code}")
    assert run.states == []
    assert postgresql.rows("SELECT id FROM orders WHERE note = 'new'") == []
    assert "_rejected" not in postgresql.tables()


@pytest.mark.parametrize("setting", ["statement_timeout", "lock_timeout"])
def test_a_statement_that_takes_too_long(
    postgresql: PostgreSQL, other: psycopg.Connection, setting: str
) -> None:
    set_for_all(postgresql, f"{setting} = '300ms'")
    other.execute("UPDATE orders SET note = 'other' WHERE id = 2")
    run = postgresql.execute(*lines(1, 2))

    assert_one_clear_line(run, "timeout")
    assert run.states == []


def test_a_long_wait_for_a_lock_is_logged(
    postgresql: PostgreSQL,
    other: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(worker, "_LONG", 0.1)
    other.execute("LOCK TABLE orders")
    end = threading.Timer(0.5, other.rollback)
    end.start()
    postgresql.load(*lines(1, 2))
    end.join()

    assert "the warehouse has been busy for another 0.1 s" in caplog.text
    assert postgresql.rows("SELECT note FROM orders") == [("new",), ("new",)]


def test_a_database_that_is_set_to_read_only_is_not_waited_for(postgresql: PostgreSQL) -> None:
    set_for_all(postgresql, "default_transaction_read_only = on")
    start = time.monotonic()
    run = postgresql.execute(*lines(1))

    assert time.monotonic() - start < 30
    assert_one_clear_line(run, "read-only transaction")
    assert run.states == []


@pytest.fixture
def guest(postgresql: PostgreSQL, other: psycopg.Connection) -> Iterator[PostgreSQL]:
    """A user with only the rights of PUBLIC."""
    other.execute("CREATE ROLE guest LOGIN")
    other.commit()
    yield PostgreSQL(postgresql.url.replace("postgres:", "guest:"), postgresql.folder)
    other.rollback()
    other.execute("DROP OWNED BY guest; DROP ROLE guest")
    other.commit()


def test_a_user_without_rights(guest: PostgreSQL) -> None:
    new: list[Line] = [schema("others", id="integer")]
    for messages in [lines(1), new]:
        run = guest.execute(*messages, add_record_metadata=False)
        assert_one_clear_line(run, "permission denied for")
        assert run.states == []


def test_a_user_who_may_write_into_a_table_but_not_own_it(
    guest: PostgreSQL, postgresql: PostgreSQL, other: psycopg.Connection
) -> None:
    postgresql.load(ORDERS, add_record_metadata=True)
    other.execute("GRANT SELECT, INSERT, UPDATE ON orders TO guest")
    other.commit()
    run = guest.execute(*lines(1, 3))

    assert (run.code, run.states) == (0, ["done"]), run.stderr
    assert postgresql.rows("SELECT id, note FROM orders ORDER BY id") == [
        (1, "new"),
        (2, "old"),
        (3, "new"),
    ]


def together(*given: tuple[PostgreSQL, Iterable[Line], dict[str, Any]]) -> None:
    """Run loads that begin at the same moment."""
    barrier = threading.Barrier(len(given))

    def waiting(lines: Iterable[Line]) -> Iterator[Line]:
        barrier.wait(PATIENCE)
        yield from lines

    loads = [Loading(to, waiting(lines), **settings) for to, lines, settings in given]
    for run in [load.end() for load in loads]:
        assert run.code == 0, run.stderr
        assert "_rejected" not in run.stderr


def two(postgresql: PostgreSQL) -> list[PostgreSQL]:
    folders = [postgresql.folder / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    return [PostgreSQL(postgresql.url, folder) for folder in folders]


def test_two_loads_of_one_source_at_once(postgresql: PostgreSQL) -> None:
    one, two_ = two(postgresql)
    source = Source(records=1_500)
    for _ in range(2):  # into new tables, then into existing ones
        together(
            (one, source.lines(), {"batch_size_rows": 70}),
            (two_, source.lines(), {"batch_size_rows": 110}),
        )
        assert_complete(postgresql, source)


def test_two_loads_that_make_the_same_tables_at_once(postgresql: PostgreSQL) -> None:
    names = [f"stream_{number}" for number in range(12)]

    def lines(number: int) -> Iterator[Line]:
        for name in names:
            yield schema(name, id="integer", **{f"only_{number}": "string"})
            yield record(name, id=number, **{f"only_{number}": "x"})

    settings = {"default_target_schema": "shop"}
    together(*[(each, lines(number), settings) for number, each in enumerate(two(postgresql))])

    for name in names:
        rows = postgresql.rows(f"SELECT id, only_0, only_1 FROM shop.{name} ORDER BY id")
        assert rows == [(0, "x", None), (1, None, "x")]


def test_a_schema_that_another_client_creates_at_the_same_time(postgresql: PostgreSQL) -> None:
    with psycopg.connect(postgresql.url) as other:
        other.execute("CREATE SCHEMA shop")
        loading = Loading(postgresql, lines(1), default_target_schema="shop")
        wait_until_it_waits(postgresql)
        other.commit()
        run = loading.end()

    assert (run.code, run.states) == (0, ["done"]), run.stderr
    assert postgresql.rows("SELECT id FROM shop.orders") == [(1,)]


def test_a_load_that_widens_what_another_loads_into(postgresql: PostgreSQL) -> None:
    def lines(number: int) -> Iterator[Line]:
        kinds = ["integer", "number", "string"] if number else ["integer"]
        for position in range(600):
            if position % 100 == 0:
                kind = kinds[position // 100 % len(kinds)]
                yield schema("things", id="integer", value=kind, **{f"p{position}": "string"})
            yield record("things", id=position * 2 + number, value=7)

    settings = {"batch_size_rows": 10}
    together(*[(each, lines(number), settings) for number, each in enumerate(two(postgresql))])

    sql = "SELECT count(*), count(DISTINCT id), min(value), max(value) FROM things"
    assert postgresql.rows(sql) == [(1_200, 1_200, "7", "7")]
