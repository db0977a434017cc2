"""A record that cannot be stored is rejected, and the others are loaded."""

from __future__ import annotations

import json
from typing import Any

import pytest
from target_warehouse.errors import RecordsRejectedError

from tests.targets.target_warehouse.warehouses import (
    Line,
    PostgreSQL,
    Warehouse,
    raw_record,
    record,
    schema,
    state,
)

ORDERS = schema(
    "orders",
    id="integer",
    amount="number",
    paid="boolean",
    day={"type": ["string", "null"], "format": "date"},
    at={"type": ["string", "null"], "format": "date-time"},
)


@pytest.mark.one_warehouse
@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"day": "2021-11-31"}, 'day: "2021-11-31" is not a date'),
        ({"day": ""}, 'day: "" is not a date'),
        ({"at": "yesterday"}, 'at: "yesterday" is not a date-time'),
        ({"at": 1700000000}, "at: 1700000000 is not a date-time"),
        ({"amount": "a lot"}, 'amount: "a lot" is not a number'),
        ({"amount": True}, "amount: true is not a number"),
        ({"amount": {"value": 1}}, 'amount: {"value":1} is not a number'),
        ({"paid": "yes"}, 'paid: "yes" is not a boolean'),
        ({"id": None}, "the key property 'id' is missing or null"),
        ({"id": "x"}, 'id: "x" is not a number'),
    ],
)
@pytest.mark.parametrize("batch_size_rows", [1, 100])
def test_a_record_that_does_not_fit(
    warehouse: Warehouse, values: dict[str, Any], reason: str, batch_size_rows: int
) -> None:
    bad = {"id": 2, **values}
    run = warehouse.load(
        ORDERS,
        record("orders", id=1, amount=1),
        record("orders", **bad),
        record("orders", id=3, amount=3),
        state("done"),
        batch_size_rows=batch_size_rows,
        fails=True,
    )

    assert isinstance(run.error, RecordsRejectedError)
    assert str(run.error) == (
        "1 record was rejected (orders 1): the table _rejected has it, with the reason"
    )
    assert run.states == ["done"]
    assert warehouse.rows("SELECT id, amount FROM orders ORDER BY id") == [(1, 1), (3, 3)]
    [(stream, kept, why, recent)] = warehouse.rows(
        "SELECT stream, record, reason, rejected_at > now() - INTERVAL '1 minute' FROM _rejected"
    )
    assert (stream, json.loads(kept), why, recent) == ("orders", bad, reason, True)


def test_the_record_is_kept_as_it_was_sent(warehouse: Warehouse) -> None:
    text = '{ "id": 1.10,  "day": "x\\u0000\\ud800", "id": "å" }'
    warehouse.load(ORDERS, raw_record("orders", text), fails=True)
    assert warehouse.rows("SELECT record FROM _rejected") == [(text,)]


@pytest.mark.one_warehouse
def test_a_record_that_is_nested_too_deeply_to_be_read(warehouse: Warehouse) -> None:
    text = "".join(('{"id": 2, "more": ', "[" * 100_000, "1", "]" * 100_000, "}"))
    good = [record("orders", id=1), record("orders", id=3)]
    run = warehouse.load(ORDERS, good[0], raw_record("orders", text), good[1], fails=True)
    assert isinstance(run.error, RecordsRejectedError)
    assert warehouse.rows("SELECT id FROM orders ORDER BY id") == [(1,), (3,)]
    ((kept, reason),) = warehouse.rows("SELECT record, reason FROM _rejected")
    assert kept.startswith(text)
    assert reason == "it is nested too deeply"


@pytest.mark.one_warehouse
def test_rejects_of_several_streams_and_runs(warehouse: Warehouse) -> None:
    visits = schema("visits", (), paid="boolean")
    for _ in range(2):
        run = warehouse.load(
            ORDERS,
            visits,
            *[record("orders", id="a")] * 2,
            record("visits", paid="b"),
            record("visits", paid=True),
            fails=True,
        )
        assert str(run.error) == (
            "3 records were rejected (orders 2, visits 1): "
            "the table _rejected has them, with the reasons"
        )

    counts = warehouse.rows("SELECT stream, count(*) FROM _rejected GROUP BY 1 ORDER BY 1")
    assert counts == [("orders", 4), ("visits", 2)]


@pytest.mark.parametrize("load_method", ["upsert", "append-only"])
def test_rows_that_only_the_database_refuses_are_isolated(
    warehouse: Warehouse, load_method: str
) -> None:
    with warehouse.connected() as connection:
        connection.execute(
            "CREATE TABLE orders (id bigint, amount numeric(38, 2) CHECK (amount > 0))"
        )
        connection.commit()

    run = warehouse.load(
        ORDERS,
        *(record("orders", id=number, amount=number % 10) for number in range(50)),
        state("done"),
        load_method=load_method,
        fails=True,
    )

    assert run.states == ["done"]
    assert warehouse.rows("SELECT count(*), min(amount) FROM orders") == [(45, 1)]
    kept = [json.loads(text)["id"] for (text,) in warehouse.rows("SELECT record FROM _rejected")]
    assert sorted(kept) == [0, 10, 20, 30, 40]


def test_a_key_that_is_too_long_for_an_index(postgresql: PostgreSQL) -> None:
    noise = "".join(chr(0x4E00 + number * 7919 % 20000) for number in range(9000))
    pages = schema("pages", ["url"], url="string")
    postgresql.load(pages, record("pages", url="a"), record("pages", url=noise), fails=True)

    assert postgresql.rows("SELECT url FROM pages") == [("a",)]
    [(reason,)] = postgresql.rows("SELECT reason FROM _rejected")
    assert "index row" in reason


@pytest.mark.parametrize("late", [False, True])
def test_a_table_that_cannot_be_loaded_does_not_stop_other_streams(
    warehouse: Warehouse, late: bool
) -> None:
    with warehouse.connected() as connection:
        connection.execute("CREATE VIEW others AS SELECT 1 AS id")
        connection.commit()
    events = schema("events", (), id="integer")
    lines: list[Line] = [ORDERS, record("orders", id=1), events, record("events", id=1), state(1)]
    bad: list[Line] = [schema("others", id="integer", note="object"), record("others", id=1)]
    good: list[Line] = [record("orders", id=2), record("events", id=2), state(2)]
    for _ in range(2):
        run = warehouse.load(
            *([*lines, *bad] if late else [*bad, *lines]), *good, fails=True, batch_size_rows=1
        )
        assert str(run.error).startswith("stream 'others': ")
        assert ";" not in str(run.error)
        assert run.states == ([1] if late else [])
    assert warehouse.rows("SELECT id FROM orders ORDER BY id") == [(1,), (2,)]
    # A stream without a key would be appended again by the next run, which begins at state 1.
    assert warehouse.rows("SELECT count(*) FROM events WHERE id = 2") == [(0,)]
