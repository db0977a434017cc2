"""A dry run compares a tap's records with the tables and changes nothing but `_verifications`."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.targets.target_warehouse.claims import (
    EVENTS,
    METADATA,
    announced,
    claim,
    claiming,
    events,
    unit,
)
from tests.targets.target_warehouse.processes import InSteps, Loading, assert_one_clear_line
from tests.targets.target_warehouse.warehouses import (
    DuckDB,
    Line,
    PostgreSQL,
    Run,
    Warehouse,
    date_time,
    raw_record,
    record,
    run_sql,
    schema,
    state,
)

DAY = {"at": "2026-11-01T05:00:00Z"}
COUNTS = "identical, modified, missing, extra"


@pytest.fixture
def loaded(warehouse: Warehouse) -> Warehouse:
    warehouse.settings |= METADATA
    warehouse.load(EVENTS, *unit(1, "a", 1, 2, 3, note="x", **DAY), *unit(2, "b", 6, 7, note="x"))
    return warehouse


def compare(warehouse: Warehouse, *lines: Line, **settings: Any) -> Run:
    run = warehouse.load(*lines, dry_run=True, **settings)
    assert run.states == []
    return run


def found(warehouse: Warehouse) -> dict[str, tuple[int, ...]]:
    """The counts of units that differ, by the values of the unit; "" has those of the stream."""
    rows = warehouse.rows(f"SELECT unit, {COUNTS} FROM _verifications ORDER BY finished_at")
    return {
        "/".join(map(str, json.loads(unit).values())) if unit else "": tuple(counts)
        for unit, *counts in rows
    }


def column(warehouse: Warehouse, name: str) -> Any:
    [(text,)] = warehouse.rows(f"SELECT {name} FROM _verifications WHERE unit IS NULL")
    return json.loads(text)


def test_equal_tables_are_identical(loaded: Warehouse) -> None:
    before = content(loaded)
    compare(loaded, EVENTS, *unit(3, "a", 1, 2, 3, note="x", **DAY), *unit(4, "b", 6, 7, note="x"))
    assert found(loaded) == {"": (5, 0, 0, 0)}
    assert content(loaded) == before


def content(warehouse: Warehouse) -> list[Any]:
    """Everything but `_verifications`."""
    version = "xmin, " if isinstance(warehouse, PostgreSQL) else ""
    tables = sorted(warehouse.tables() - {"_verifications"})
    return [(table, warehouse.rows(f"SELECT {version}* FROM {table}")) for table in tables]


@pytest.mark.parametrize("batch_size_rows", [1, 2, 100])
def test_differences_are_counted_by_unit_and_column(
    loaded: Warehouse, batch_size_rows: int
) -> None:
    before = content(loaded)
    compare(
        loaded,
        EVENTS,
        *events("a", 2, note="y", **DAY),
        *events("a", 3, 4, note="x", **DAY),
        claiming(3, claim(3, customer="a")),
        *unit(4, "b", 6, 7, note="x"),
        batch_size_rows=batch_size_rows,
    )
    assert found(loaded) == {"": (3, 1, 1, 1), "a/2026-11-01": (1, 1, 1, 1)}
    assert column(loaded, "modified_columns") == {"note": 1}
    samples = {(each["kind"], each["key"]["id"]): each for each in column(loaded, "samples")}
    assert samples.keys() == {("modified", "2"), ("missing", "4"), ("extra", "1")}
    assert samples["modified", "2"]["values"] == {"note": {"table": "x", "vendor": "y"}}
    assert samples["missing", "4"]["values"]["note"] == {"vendor": "x"}
    assert samples["extra", "1"]["values"]["note"] == {"table": "x"}
    assert content(loaded) == before


def test_the_last_record_of_a_key_counts(loaded: Warehouse) -> None:
    lines = [*events("a", 1, note="old"), *events("a", 1, note="x", **DAY)]
    compare(loaded, EVENTS, *lines, batch_size_rows=1)
    assert found(loaded) == {"": (1, 0, 0, 0)}


def test_a_table_that_does_not_exist(warehouse: Warehouse) -> None:
    compare(warehouse, EVENTS, *unit(1, "a", 1, 2), **METADATA)
    assert found(warehouse) == {"": (0, 0, 2, 0), "a/None": (0, 0, 2, 0)}
    assert warehouse.tables() == {"_verifications"}


def test_extra_rows_of_a_table_that_lacks_a_new_column(loaded: Warehouse) -> None:
    wider = announced(
        schema("events", id="integer", customer="string", note="string", more="integer"), "customer"
    )
    compare(loaded, wider, *unit(3, "b", 6, note="x"))
    assert found(loaded) == {"": (1, 0, 0, 1), "b": (1, 0, 0, 1)}
    [extra] = column(loaded, "samples")
    assert extra == {"kind": "extra", "key": {"id": "7"}, "values": extra["values"]}


def test_new_columns_and_wider_types_are_differences(loaded: Warehouse) -> None:
    wider = announced(
        schema("events", id="integer", customer="string", note="string", more="integer"), "customer"
    )
    before = content(loaded)
    lines = [record("events", id=1, customer="a", note="x", more=number) for number in (None, 5)]
    compare(loaded, wider, *lines, record("events", id=2, customer="a", note=7))
    assert column(loaded, "modified_columns") == {"more": 1, "note": 1}
    assert content(loaded) == before
    loaded.load(wider, record("events", id=1, customer="a", note="x", more=5))
    text = announced(
        schema("events", id="integer", customer="string", note="string", more="string"), "customer"
    )
    one, two = (record("events", id=1, customer="a", note="x", more=each) for each in ("5", "6"))
    for line, expected in ((one, {"": (1, 0, 0, 0)}), (two, {"": (0, 1, 0, 0), "a": (0, 1, 0, 0)})):
        rows = {**loaded.settings}
        compare(loaded, text, line, **rows)
        assert found(loaded).items() >= expected.items()


@pytest.mark.parametrize("batch_size_rows", [1, 2])
def test_values_that_need_a_wider_type(warehouse: Warehouse, batch_size_rows: int) -> None:
    warehouse.settings |= METADATA
    rows = schema("rows", id="integer", n="integer", day=date_time("date"), text="integer")
    one = record("rows", id=1, n=1, day="2026-11-01", text=1)
    warehouse.load(rows, one, record("rows", id=2, n=2, day="2026-11-02", text=2))
    wider = record("rows", id=2, n=2.5, day="2026-11-02T05:00:00Z", text=10**40)
    compare(warehouse, rows, one, wider, batch_size_rows=batch_size_rows)
    assert found(warehouse)[""] == (1, 1, 0, 0)
    assert column(warehouse, "modified_columns") == {"n": 1, "day": 1, "text": 1}


@pytest.mark.parametrize(("keys", "scope"), [(("id", "part"), ()), (("id",), ("part",))])
def test_a_table_that_lacks_columns_of_the_key_or_the_claims(
    loaded: Warehouse, keys: tuple[str, ...], scope: tuple[str, ...]
) -> None:
    part = announced(schema("events", keys, id="integer", part="string"), *scope)
    where = claiming(5, claim(1, part="x"))
    run = loaded.load(part, record("events", id=1, part="x"), where, dry_run=True, fails=True)
    assert "the table 'events' lacks columns of the key or the claims" in str(run.error)
    assert "other types: part; load the stream first" in str(run.error)


def test_a_key_that_is_to_become_text(loaded: Warehouse) -> None:
    text = schema("events", id="string")
    run = loaded.load(text, record("events", id="1"), dry_run=True, fails=True)
    assert "with other types: id; load the stream first" in str(run.error)


def test_an_empty_claim_of_a_stream_whose_scope_is_not_all_in_the_schema(loaded: Warehouse) -> None:
    compare(loaded, announced(EVENTS, "customer", "gone"), claiming(5, claim(0, customer="b")))
    assert found(loaded) == {"": (0, 0, 0, 2), "b": (0, 0, 0, 2)}


def test_a_connection_that_is_lost_takes_the_rows_to_compare_with_it(
    postgresql: PostgreSQL,
) -> None:
    rows = [record("rows", id=number) for number in range(4)]
    lines = InSteps([schema("rows", id="integer"), *rows, state("x")])
    loading = Loading(postgresql, lines, dry_run=True, batch_size_rows=1)
    lines.let_through(3)
    while not postgresql.rows("SELECT 1 FROM pg_class WHERE relname LIKE 'verified_%'"):
        time.sleep(0.1)
    postgresql.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'target-warehouse' AND datname = current_database()"
    )
    lines.let_through(10)
    assert_one_clear_line(loading.end(), "the connection was lost")


def test_numbers_are_compared_by_value(warehouse: Warehouse) -> None:
    warehouse.settings |= METADATA
    prices = schema("prices", id="integer", amount="number")
    warehouse.load(prices, raw_record("prices", '{"id": 1, "amount": 1.50}'))
    compare(warehouse, prices, raw_record("prices", '{"id": 1, "amount": 15e-1}'))
    assert found(warehouse) == {"": (1, 0, 0, 0)}
    compare(warehouse, prices, raw_record("prices", '{"id": 1, "amount": 1.5001}'))
    assert found(warehouse)[""] == (0, 1, 0, 0)


def test_volatile_properties_are_not_compared(warehouse: Warehouse) -> None:
    warehouse.settings |= METADATA
    plain = schema("rows", id="integer", at="string")
    marked = {**plain, "schema": {**plain["schema"], "x-volatile": ["at"]}}
    warehouse.load(marked, record("rows", id=1, at="yesterday"))
    compare(warehouse, marked, record("rows", id=1, at="today"))
    assert found(warehouse) == {"": (1, 0, 0, 0)}


def test_second_rows_of_a_key_are_extra(loaded: Warehouse) -> None:
    if not isinstance(loaded, DuckDB):
        pytest.skip("it enforces keys")
    with loaded.connected() as connection:
        connection.execute("INSERT INTO events SELECT * FROM events WHERE id = 1")
    compare(loaded, EVENTS, *unit(3, "a", 1, 2, 3, note="x", **DAY))
    assert found(loaded) == {"": (3, 0, 0, 1), "a/2026-11-01": (0, 0, 0, 1)} | {
        "a/2026-11-01": (3, 0, 0, 1)
    }
    assert loaded.rows("SELECT repeated FROM _verifications WHERE unit IS NULL") == [(1,)]


def test_a_stream_without_a_key_is_not_compared(warehouse: Warehouse) -> None:
    lines = schema("rows", (), id="integer"), record("rows", id=1), state("x")
    compare(warehouse, *lines, **METADATA)
    assert warehouse.rows("SELECT complete, message FROM _verifications") in (
        [(value, "rows without a primary key cannot be compared")] for value in (False, 0)
    )


def test_records_that_a_load_would_reject_are_counted(loaded: Warehouse) -> None:
    run = loaded.load(EVENTS, *events("a", 1), record("events"), dry_run=True, fails=True)
    assert str(run.error) == "a load would reject records (events 1)"
    assert loaded.rows("SELECT rejected FROM _verifications WHERE unit IS NULL") == [(1,)]
    assert "_rejected" not in loaded.tables()


def test_a_value_that_the_database_refuses_is_not_logged(postgresql: PostgreSQL) -> None:
    run_sql(postgresql, "CREATE TABLE rows (id bigint PRIMARY KEY, customer uuid)")
    row = record("rows", id=1, customer="jane@mail.example")
    lines = schema("rows", id="integer", customer="string"), row, state("x")
    run = postgresql.execute(*lines, dry_run=True)

    assert run.code == 1
    assert "a record has a value that its column refuses" in run.stderr
    assert "jane" not in run.stderr
    assert "jane" not in str(postgresql.rows("SELECT * FROM _verifications"))


@pytest.mark.parametrize("load_method", ["append-only", "overwrite"])
def test_other_load_methods_have_no_dry_run(loaded: Warehouse, load_method: str) -> None:
    run = loaded.load(EVENTS, dry_run=True, load_method=load_method, fails=True)
    assert "dry_run is not possible with this load method or warehouse" in str(run.error)
