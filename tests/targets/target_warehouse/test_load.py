"""Records are loaded into tables, each once."""

from __future__ import annotations

import os
import subprocess
from decimal import Decimal

import pytest

from tests.targets.target_warehouse.warehouses import (
    DuckDB,
    Line,
    Warehouse,
    raw_record,
    record,
    schema,
    singer,
    state,
    warnings_in,
)

ORDERS = schema("orders", id="integer", note="string")


def test_records_are_inserted_and_updated_by_key(warehouse: Warehouse) -> None:
    warehouse.load(ORDERS, record("orders", id=1, note="a"), record("orders", id=2, note="b"))
    warehouse.load(ORDERS, record("orders", id=2, note="B"), record("orders", id=3, note="c"))

    assert warehouse.rows("SELECT id, note FROM orders ORDER BY id") == [
        (1, "a"),
        (2, "B"),
        (3, "c"),
    ]


@pytest.mark.parametrize("batch_size_rows", [1, 2, 10])
def test_the_last_record_of_a_key_wins(warehouse: Warehouse, batch_size_rows: int) -> None:
    records = [record("orders", id=number % 3, note=str(number)) for number in range(10)]
    warehouse.load(ORDERS, *records, batch_size_rows=batch_size_rows)

    assert warehouse.rows("SELECT id, note FROM orders ORDER BY id") == [
        (0, "9"),
        (1, "7"),
        (2, "8"),
    ]


def test_a_record_replaces_all_of_the_row_it_updates(warehouse: Warehouse) -> None:
    warehouse.load(ORDERS, record("orders", id=1, note="a"))
    warehouse.load(ORDERS, record("orders", id=1))

    assert warehouse.rows("SELECT id, note FROM orders") == [(1, None)]


def test_keys_of_several_columns(warehouse: Warehouse) -> None:
    lines = schema("lines", ("order", "number"), order="string", number="number", sku="string")
    warehouse.load(lines, record("lines", order="A", number=1, sku="x"))
    warehouse.load(
        lines,
        raw_record("lines", '{"order": "A", "number": 2, "sku": "z"}'),
        raw_record("lines", '{"order": "A", "number": 1, "sku": "y"}'),
        raw_record("lines", '{"order": "A", "number": 1.0, "sku": "Y"}'),
    )

    assert warehouse.rows("SELECT number, sku FROM lines ORDER BY number") == [(1, "Y"), (2, "z")]


def test_records_without_a_key_are_appended(warehouse: Warehouse) -> None:
    events = schema("events", (), name="string")
    for _ in range(2):
        warehouse.load(events, record("events", name="a"), record("events", name="a"))

    assert warehouse.rows("SELECT name FROM events") == [("a",)] * 4


def test_append_only_keeps_every_record(warehouse: Warehouse) -> None:
    warehouse.load(ORDERS, record("orders", id=1, note="a"))
    for note in "bc":
        warehouse.load(ORDERS, record("orders", id=1, note=note), load_method="append-only")

    assert warehouse.rows("SELECT note FROM orders ORDER BY note") == [("a",), ("b",), ("c",)]


def test_overwrite_replaces_what_the_table_held(warehouse: Warehouse) -> None:
    warehouse.load(ORDERS, record("orders", id=1, note="old"), record("orders", id=2))
    with warehouse.connected() as connection:
        connection.execute("CREATE VIEW report AS SELECT id, note FROM orders")
        connection.commit()

    run = warehouse.load(
        ORDERS,
        record("orders", id=2, note="a"),
        state(1),
        record("orders", id=2, note="b"),
        schema("empty", id="integer"),
        state(2),
        load_method="overwrite",
        batch_size_rows=1,
    )

    assert run.states == [2]
    assert warehouse.rows("SELECT id, note FROM report") == [(2, "b")]
    assert warehouse.tables() == {"orders", "report", "empty"}


def test_an_overwrite_may_change_types_and_columns(warehouse: Warehouse) -> None:
    old = schema("orders", id="integer", note="string", size="integer", more="object")
    new = schema("orders", ["size"], note="integer", size="number", more="integer", rest="boolean")
    warehouse.load(old, record("orders", id=1, note="a", size=1, more={}))
    warehouse.load(
        new,
        raw_record("orders", '{"note": 7, "size": 1.25, "more": 8, "rest": true}'),
        raw_record("orders", '{"note": 9, "size": 1.250}'),
        state(1),
        load_method="overwrite",
    )

    assert warehouse.rows("SELECT id, note, size, more::text, rest FROM orders") == [
        (None, "9", Decimal("1.25"), None, None)
    ]


def test_an_interrupted_overwrite_changes_nothing(warehouse: Warehouse) -> None:
    warehouse.load(ORDERS, record("orders", id=1, note="old"))

    run = warehouse.load(
        ORDERS,
        record("orders", id=2, note="new"),
        state(1),
        "garbage",
        load_method="overwrite",
        batch_size_rows=1,
        fails=True,
    )

    assert run.states == []
    assert warehouse.rows("SELECT id, note FROM orders") == [(1, "old")]


def test_an_empty_stream_creates_its_table(warehouse: Warehouse) -> None:
    warehouse.load(ORDERS)

    assert list(warehouse.types("orders")) == ["id", "note"]
    assert warehouse.rows("SELECT * FROM orders") == []


def test_new_properties_add_columns(warehouse: Warehouse) -> None:
    more = schema("orders", id="integer", note="string", paid="boolean")
    most = schema("orders", id="integer", note="string", paid="boolean", tags="array")
    warehouse.load(
        ORDERS, record("orders", id=1, note="a"), more, record("orders", id=2, paid=True)
    )
    warehouse.load(most, record("orders", id=3, tags=[1]))

    assert warehouse.rows("SELECT id, note, paid, tags::text FROM orders ORDER BY id") == [
        (1, "a", None, None),
        (2, None, True, None),
        (3, None, None, "[1]"),
    ]


def test_a_property_that_the_schema_does_not_name_gets_a_column(
    warehouse: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    warehouse.load(
        ORDERS,
        record("orders", id=1, city="Kiel", size=7, more={"a": 1}, none=None),
        record("orders", id=2, city=4),
        record("orders", id=3, size="XL"),
    )

    assert warehouse.rows("SELECT id, city, size, more::text FROM orders ORDER BY id") == [
        (1, "Kiel", "7", '{"a": 1}'),
        (2, "4", None, None),
        (3, None, "XL", None),
    ]
    assert sorted(warnings_in(caplog)) == [
        f"stream 'orders': property {name!r} is not in the schema; it gets a column of kind {kind}"
        for name, kind in [("city", "text"), ("more", "json"), ("size", "text")]
    ]


def test_a_property_that_is_no_longer_sent_keeps_its_column(warehouse: Warehouse) -> None:
    warehouse.load(ORDERS, record("orders", id=1, note="a"))
    warehouse.load(schema("orders", id="integer"), record("orders", id=1), record("orders", id=2))

    assert warehouse.rows("SELECT id, note FROM orders ORDER BY id") == [(1, "a"), (2, None)]


@pytest.mark.one_warehouse
def test_a_repeated_schema_does_not_close_the_batch(warehouse: Warehouse) -> None:
    notes = [line for note in "abc" for line in (ORDERS, record("orders", id=1, note=note))]
    warehouse.load(*notes, add_record_metadata=True)

    batches = warehouse.rows("SELECT count(DISTINCT _sdc_batched_at), min(note) FROM orders")
    assert batches == [(1, "c")]


def test_a_key_that_changes_is_the_new_key(warehouse: Warehouse) -> None:
    warehouse.load(ORDERS, record("orders", id=1, note="a"), record("orders", id=2, note="b"))
    by_note = schema("orders", ["note"], id="integer", note="string")
    warehouse.load(by_note, record("orders", note="a", id=2), record("orders", note="c"))

    assert warehouse.rows("SELECT note, id FROM orders ORDER BY note") == [
        ("a", 2),
        ("b", 2),
        ("c", None),
    ]


def test_tables_are_in_the_schema_that_is_set(warehouse: Warehouse) -> None:
    for _ in range(2):
        warehouse.load(
            ORDERS,
            record("orders", id=1),
            record("orders"),
            default_target_schema="My shop",
            fails=True,
        )

    orders, rejected = (warehouse.path("My shop", name) for name in ("orders", "_rejected"))
    assert warehouse.rows(f"SELECT id FROM {orders}") == [(1,)]
    assert warehouse.rows(f"SELECT stream FROM {rejected}") == [("orders",)] * 2


def test_the_case_of_a_schema_name_does_not_matter_to_duckdb(duckdb: DuckDB) -> None:
    duckdb.load(ORDERS, record("orders", id=1), default_target_schema="My_Schema")
    duckdb.load(ORDERS, record("orders", id=2), default_target_schema="my_schema")
    other = schema("other", id="integer")
    duckdb.load(other, record("other", id=3), default_target_schema="MY_SCHEMA")
    duckdb.load(other, record("other", id=4), default_target_schema="MAIN")
    assert duckdb.rows("SELECT id FROM my_schema.orders ORDER BY id") == [(1,), (2,)]
    assert duckdb.rows("SELECT id FROM my_schema.other") == [(3,)]
    assert duckdb.rows("SELECT id FROM main.other") == [(4,)]


def test_a_row_that_did_not_change_is_not_written_again(warehouse: Warehouse) -> None:
    records = [record("orders", id=1, note="a"), record("orders", id=2, note="b")]
    warehouse.load(ORDERS, *records, add_record_metadata=True)
    before = warehouse.rows("SELECT id, _sdc_batched_at::text FROM orders ORDER BY id")
    records[1] = record("orders", id=2, note="B")
    warehouse.load(ORDERS, *records, add_record_metadata=True)
    after = warehouse.rows("SELECT id, _sdc_batched_at::text FROM orders ORDER BY id")

    assert after[0] == before[0]
    assert after[1] > before[1]


def test_many_streams_that_take_turns(warehouse: Warehouse) -> None:
    names = ["a", "b", "c"]
    schemas = [schema(name, id="integer") for name in names]
    records = [record(name, id=number) for number in range(50) for name in names]
    warehouse.load(*schemas, *records, batch_max_bytes=500)

    for name in names:
        assert warehouse.rows(f"SELECT count(*), max(id) FROM {name}") == [(50, 49)]


@pytest.mark.one_warehouse
def test_batches_hold_the_bytes_that_are_set_and_one_record(warehouse: Warehouse) -> None:
    records = [record("orders", id=number, name="x" * 900) for number in range(50)]
    orders = schema("orders", id="integer", name="string")
    warehouse.load(orders, *records, batch_max_bytes=5000, add_record_metadata=True)

    batches = warehouse.rows("SELECT count(*) FROM orders GROUP BY _sdc_batched_at")
    assert max(batches) == (6,)
    assert sum(count for (count,) in batches) == 50


def test_a_stream_without_properties(warehouse: Warehouse) -> None:
    warehouse.load(schema("empty", keys=()), record("empty"))
    assert warehouse.rows("SELECT count(*) FROM empty") == [(1,)]


@pytest.mark.one_warehouse
@pytest.mark.parametrize(
    "lines",
    [
        [record("orders", id=2)],
        [state(1), record("orders", id=2)],
        [record("orders", id=2), state(1), record("orders", id=3)],
        [],
    ],
)
def test_an_overwrite_without_a_final_state_keeps_the_old_table(
    warehouse: Warehouse, lines: list[Line]
) -> None:
    warehouse.load(ORDERS, record("orders", id=1, note="old"))
    run = warehouse.load(ORDERS, *lines, load_method="overwrite", batch_size_rows=1, fails=True)
    assert "no STATE came after the last record" in str(run.error)
    assert run.states == []
    assert warehouse.rows("SELECT id, note FROM orders") == [(1, "old")]


@pytest.mark.one_warehouse
def test_an_overwrite_replaces_only_complete_streams(warehouse: Warehouse) -> None:
    others = schema("others", id="integer")
    warehouse.load(ORDERS, others, record("orders", id=1), record("others", id=1))
    run = warehouse.load(
        ORDERS,
        record("orders", id=2),
        others,
        state(1),
        record("others", id=2),
        load_method="overwrite",
        fails=True,
    )
    assert "stream 'others'" in str(run.error)
    assert "stream 'orders'" not in str(run.error)
    assert run.states == []
    assert warehouse.rows("SELECT id FROM orders") == [(2,)]
    assert warehouse.rows("SELECT id FROM others") == [(1,)]


def test_an_overwrite_does_not_change_tables_with_similar_names(warehouse: Warehouse) -> None:
    for _ in range(2):
        names = ["orders__overwrite", "orders", "orders__overwrite__overwrite"]
        lines = [
            line for name in names for line in (schema(name, id="string"), record(name, id=name))
        ]
        warehouse.load(*lines, state(1), load_method="overwrite")
        for name in names:
            assert warehouse.rows(f"SELECT id FROM {name}") == [(name,)]
        assert warehouse.tables() == set(names)


@pytest.mark.one_warehouse
def test_a_key_property_may_be_named_twice(warehouse: Warehouse) -> None:
    orders = schema("orders", ("id", "id"), id="integer", note="string")
    warehouse.load(orders, record("orders", id=1, note="a"), record("orders", id=1, note="b"))
    assert warehouse.rows("SELECT id, note FROM orders") == [(1, "b")]


def test_a_key_whose_case_changes_stays_the_key(warehouse: Warehouse) -> None:
    for key in ("Id", "id", "ID"):
        warehouse.load(schema("orders", [key], **{key: "integer"}), record("orders", **{key: 1}))
    assert len(warehouse.types("orders")) == 1
    assert warehouse.rows("SELECT count(*) FROM orders") == [(1,)]


@pytest.mark.one_warehouse
@pytest.mark.parametrize("encoding", ["ascii", pytest.param("utf-16", marks=pytest.mark.long)])
def test_states_are_utf_8_in_any_locale(warehouse: Warehouse, encoding: str) -> None:
    done = subprocess.run(
        warehouse.command(),
        input=singer([ORDERS, '{"type": "STATE", "value": {"b": "å 中"}}']).encode(),
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )
    assert (done.returncode, done.stdout.decode()) == (0, '{"b": "å 中"}\n')
