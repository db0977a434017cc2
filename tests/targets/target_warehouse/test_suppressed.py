"""Forgotten people are erased from every table, and later loads leave them out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from target_warehouse.warehouses.registry import connect

from attribution_elt.core.people import PERSONAL, People, Personal
from attribution_elt.core.pseudonyms import person_key
from attribution_elt.erasure.tables import Counts, Place, SchemaEraser, Stream, open_schema
from tests.targets.target_warehouse.warehouses import (
    Line,
    PostgreSQL,
    Warehouse,
    raw_record,
    record,
    run_sql,
    schema,
    state,
)

KEY = "a key of this test"
JANE, JOE = "Jane.Doe@example.com", "joe@example.com"
MD5 = hashlib.md5(JANE.lower().encode(), usedforsecurity=False).hexdigest()
ORDERS = Personal(frozenset({"email", "_extra"}), frozenset({"customer"}), keys=frozenset({"id"}))
CUSTOMERS = Personal(frozenset({"who", "alias"}), keys=frozenset({"who"}))
PEOPLE = Personal(frozenset({"hash"}), keys=frozenset({"hash"}))
STREAMS = (Stream("orders", ORDERS), Stream("customers", CUSTOMERS), Stream("visits", PEOPLE))


def announced(stream: str, personal: Personal, **properties: Any) -> dict[str, Any]:
    message = schema(stream, sorted(personal.keys), **properties)
    message["schema"][PERSONAL] = personal.announced()
    return message


def order(id_: int, email: str | None, **more: Any) -> dict[str, Any]:
    return record("orders", id=id_, email=email, customer=70 + id_, total=id_ * 10, **more)


SCHEMAS = [
    announced(
        *("orders", ORDERS),
        id="integer",
        email="string",
        customer="integer",
        total="integer",
        url="string",
        _extra="object",
    ),
    announced("customers", CUSTOMERS, who="string", alias="array", spent="integer"),
    announced("visits", PEOPLE, hash="string", day="string"),
]
MESSAGES: list[Line] = [
    *SCHEMAS,
    order(1, JANE, url="https://x.example/?e=jane.doe%40example.com&a=1"),
    order(2, JOE),
    order(3, None, _extra={"giftFor": JANE.upper(), "colour": "red"}),
    order(4, "customer-7"),
    record("customers", who="customer-7", alias=["x", JANE], spent=5),
    record("customers", who=JOE, alias=None, spent=6),
    record("visits", hash=MD5, day="2026-01-01"),
    record("visits", hash="0" * 32, day="2026-01-01"),
    {"type": "RECORD", "stream": "orders", "record": {"id": "x", "email": JANE, "total": 1}},
    state({"a": 1}),
]


@pytest.fixture
def loaded(warehouse: Warehouse) -> Warehouse:
    """A warehouse with people in tables, histories and rejected records."""
    warehouse.settings |= {"add_record_metadata": True, "history": ["*"], "pii_key": KEY}
    warehouse.load(*MESSAGES, fails=True)
    warehouse.load(*SCHEMAS, order(2, JOE, url="new"), order(1, JANE, url="new"), state({"a": 2}))
    return warehouse


def place_of(warehouse: Warehouse) -> Place:
    return Place("the warehouse", warehouse.url, None, STREAMS)


def forget(warehouse: Warehouse, *addresses: str, keys: tuple[str, ...] = (KEY,)) -> Counts:
    with open_schema(place_of(warehouse), People(addresses, keys)) as eraser:
        eraser.learn()
        eraser.suppress()
        counts = eraser.erase()
    with open_schema(place_of(warehouse), People(addresses, keys)) as eraser:
        eraser.scrub()
    return counts


def left_of(warehouse: Warehouse, *addresses: str) -> int:
    with open_schema(place_of(warehouse), People(addresses, [KEY])) as eraser:
        return len(eraser.count())


def orders(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    return warehouse.rows("SELECT id, email, customer, total, url FROM orders ORDER BY id")


ERASED_ORDERS = [
    (1, None, None, 10, "new"),
    (2, JOE, 72, 20, "new"),
    (3, None, None, 30, None),
    (4, None, None, 40, None),
]


def test_a_person_is_erased_and_the_facts_stay(loaded: Warehouse) -> None:
    assert left_of(loaded, JANE) > 5
    counts = forget(loaded, JANE)
    assert counts.changed["orders"] == 3
    assert counts.removed == {"customers": 1, "visits": 1}
    assert left_of(loaded, JANE) == 0
    assert orders(loaded) == ERASED_ORDERS
    assert loaded.rows("SELECT who, spent FROM customers") == [(JOE, 6)]
    assert loaded.rows("SELECT hash FROM visits") == [("0" * 32,)]
    history = loaded.rows(
        "SELECT id, email, url, _sdc_replaced_because FROM orders__history ORDER BY id"
    )
    assert history == [
        (1, None, "https://x.example/?e=erased&a=1", "erased"),
        (2, JOE, None, "changed"),
    ]
    [(rejected,)] = loaded.rows("SELECT record FROM _rejected")
    assert json.loads(rejected)["email"] is None
    assert json.loads(rejected)["total"] == 1
    people = {person for (person,) in loaded.rows("SELECT person FROM _suppressed")}
    assert {person_key(JANE, KEY), person_key("customer-7", KEY)} <= people
    assert len(forget(loaded, JANE)) == 0, "a second time finds nothing"
    assert len(loaded.rows("SELECT person FROM _suppressed")) == len(people)


def test_no_file_of_the_warehouse_has_the_person(loaded: Warehouse) -> None:
    if isinstance(loaded, PostgreSQL):
        run_sql(loaded, "ANALYZE")
    forget(loaded, JANE)
    stored = b"".join(each.read_bytes() for each in files_of(loaded))
    assert JOE.encode() in stored
    assert JANE.encode() not in stored
    assert MD5.encode() not in stored


def files_of(warehouse: Warehouse) -> list[Path]:
    folder = warehouse.folder
    if isinstance(warehouse, PostgreSQL):
        with psycopg.connect(warehouse.url, autocommit=True) as connection:
            connection.execute("CHECKPOINT")
            query = "SELECT setting, oid FROM pg_settings, pg_database WHERE datname = %s"
            ((root, oid),) = connection.execute(
                f"{query} AND name = 'data_directory'", (connection.info.dbname,)
            ).fetchall()
        folder = Path(root) / "base" / str(oid)
    return [each for each in folder.rglob("*") if each.is_file()]


def test_later_loads_leave_the_person_out(loaded: Warehouse) -> None:
    forget(loaded, JANE)
    for _ in range(3):
        loaded.load(*MESSAGES, fails=True)
        assert left_of(loaded, JANE) == 0
    assert [row[:4] for row in orders(loaded)] == [row[:4] for row in ERASED_ORDERS]
    assert loaded.rows("SELECT who FROM customers") == [(JOE,)]
    hashed = person_key(JANE, KEY)
    loaded.load(*SCHEMAS, order(5, hashed), record("visits", hash=hashed, day="x"), state({}))
    assert loaded.rows("SELECT email, total FROM orders WHERE id = 5") == [(None, 50)]
    assert loaded.rows("SELECT hash FROM visits") == [("0" * 32,)]


def test_the_last_record_of_a_key_wins_if_an_earlier_one_names_the_person(
    loaded: Warehouse,
) -> None:
    forget(loaded, JANE)
    loaded.load(*SCHEMAS, order(6, JANE, url="old"), order(6, JOE, url="new"), state({}))
    assert loaded.rows("SELECT email, url FROM orders WHERE id = 6") == [(JOE, "new")]


def test_a_person_stays_out_of_streams_that_announce_nothing(loaded: Warehouse) -> None:
    forget(loaded, JANE)
    plain = schema("notes", id="integer", text="string")
    loaded.load(plain, record("notes", id=1, text=f"for {JANE}, soon"), state({}))
    assert loaded.rows("SELECT text FROM notes") == [("for erased, soon",)]
    numbers = f'{{"to":["{JANE}"],"n":[1.50,12345678901234567890.1]}}'
    nested = schema("nested", id="integer", data="object")
    loaded.load(nested, raw_record("nested", f'{{"id": 1, "data": {numbers}}}'), state({}))
    [(data,)] = loaded.rows("SELECT CAST(data AS text) FROM nested")
    assert data == numbers.replace(f'"{JANE}"', "null")
    keyed = schema("mails", ["mail"], mail="string", n="integer")
    loaded.load(keyed, *(record("mails", mail=each, n=1) for each in (JANE, JOE)), state({}))
    assert loaded.rows("SELECT mail FROM mails") == [(JOE,)]


def test_claims_count_the_records_that_are_left_out(loaded: Warehouse) -> None:
    forget(loaded, JANE)
    visits = announced("visits", PEOPLE, hash="string", day="string")
    visits["schema"]["x-claims"] = ["day"]
    claim = {"stream": "visits", "where": {"day": "2026-01-01"}, "rows": 1}
    loaded.load(
        visits, record("visits", hash=MD5, day="2026-01-01"), {**state({}), "delivered": [claim]}
    )
    assert loaded.rows("SELECT hash FROM visits") == [], "the other one has vanished"


def test_claims_that_name_the_person_reach_no_file(loaded: Warehouse) -> None:
    forget(loaded, JANE)
    visits = announced("visits", PEOPLE, hash="string", day="string")
    visits["schema"]["x-claims"] = ["hash"]
    hashes = [MD5, "1" * 32, "2" * 32]
    claims = [{"stream": "visits", "where": {"hash": each}, "rows": 1} for each in hashes]
    rows = [record("visits", hash=each, day="2026-01-01") for each in hashes]
    loaded.load(visits, *rows, {**state({}), "delivered": claims})
    left = {row for (row,) in loaded.rows("SELECT hash FROM visits")}
    assert left == {"0" * 32, "1" * 32, "2" * 32}
    stored = b"".join(each.read_bytes() for each in files_of(loaded))
    assert b"1" * 32 in stored
    assert MD5.encode() not in stored


def test_without_the_key_nothing_is_loaded(loaded: Warehouse) -> None:
    forget(loaded, JANE)
    loaded.settings["pii_key"] = None
    run = loaded.load(*MESSAGES, fails=True)
    assert "'pii_key'" in str(run.error)
    assert run.states == []
    assert left_of(loaded, JANE) == 0


def test_an_interrupted_erasure_is_completed(
    loaded: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    erase = SchemaEraser._erase  # noqa: SLF001 - its steps are interrupted
    for stop_at in range(1, 9):
        calls = iter(range(1, stop_at))

        def stopping(self: SchemaEraser, tables: list[str], left: Iterator[int] = calls) -> Counts:
            if next(left, None) is None:
                raise KeyboardInterrupt
            return erase(self, tables)

        monkeypatch.setattr(SchemaEraser, "_erase", stopping)
        try:
            forget(loaded, JANE)
        except KeyboardInterrupt:
            continue
        break
    else:
        raise AssertionError("it never ended")
    assert left_of(loaded, JANE) == 0
    assert orders(loaded) == ERASED_ORDERS


def test_the_time_of_suppression_does_not_change(loaded: Warehouse) -> None:
    forget(loaded, JANE)
    [(count,)] = loaded.rows("SELECT count(*) FROM _suppressed WHERE suppressed_at IS NULL")
    assert count == 0


def test_statistics_of_an_emptied_table_have_no_values(postgresql: PostgreSQL) -> None:
    with closing(connect(postgresql.url, None)) as adapter:
        adapter.execute("CREATE TABLE emptied (email text)")
        adapter.execute(f"INSERT INTO emptied VALUES ('{JANE}'), ('{JANE}')")
        adapter.execute("ANALYZE emptied")
        adapter.execute("DELETE FROM emptied")
        adapter.commit()
        adapter.scrub()
    assert postgresql.rows("SELECT attname FROM pg_stats WHERE tablename = 'emptied'") == []
