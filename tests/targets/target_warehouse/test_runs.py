"""What a run brought can be asked in SQL."""

from __future__ import annotations

from pathlib import Path

from tests.targets.target_warehouse.warehouses import DuckDB, Warehouse, record, schema, state

ORDERS = schema("orders", id="integer", amount="number")
COUNTS = "SELECT records, inserted, updated, unchanged, rejected, complete FROM _runs"


def test_a_run_counts_what_it_did(warehouse: Warehouse) -> None:
    first = [record("orders", id=number, amount=number) for number in range(4)]
    again = [
        record("orders", id=1, amount=10),
        record("orders", id=2, amount=2),
        record("orders", id=9, amount=9),
        record("orders", id="?", amount=0),
    ]
    warehouse.load(ORDERS, *first, add_record_metadata=True)
    warehouse.load(ORDERS, *again, add_record_metadata=True, fails=True)

    assert warehouse.rows(f"{COUNTS} ORDER BY started_at") == [
        (4, 4, 0, 0, 0, True),
        (4, 1, 1, 1, 1, True),
    ]


def test_no_count_is_less_than_none(tmp_path: Path) -> None:
    duckdb = DuckDB(f"duckdb:///{tmp_path}/warehouse.duckdb", tmp_path)
    order = record("orders", id=1, amount=1)
    for _ in range(2):
        duckdb.load(ORDERS, order, load_method="append-only")
    changed = record("orders", id=1, amount=2)
    duckdb.load(ORDERS, changed, add_record_metadata=True)
    assert duckdb.rows(COUNTS) == [(1, 0, 2, 0, 0, True)]


def test_a_run_is_kept_with_its_name_and_its_times(warehouse: Warehouse) -> None:
    item = {**record("orders", id=1), "time_extracted": "2026-01-02T03:04:05Z"}
    warehouse.load(ORDERS, item, schema("empty", id="integer"), add_record_metadata=True)

    rows = warehouse.rows(
        "SELECT stream, load_method, newest, started_at <= finished_at FROM _runs ORDER BY stream"
    )
    assert [(row[0], row[1], row[3]) for row in rows] == [
        ("empty", "upsert", True),
        ("orders", "upsert", True),
    ]
    assert rows[0][2] is None
    assert str(rows[1][2]).startswith("2026-01-02 03:04:05")
    assert len(warehouse.rows("SELECT DISTINCT run_id FROM _runs")) == 1


def test_whoever_starts_a_run_may_name_it(warehouse: Warehouse) -> None:
    run = warehouse.execute(ORDERS, environment={"ATTRIBUTION_ELT_RUN_ID": "nightly-1"})
    assert run.code == 0
    assert warehouse.rows("SELECT run_id FROM _runs") == [("nightly-1",)]


def test_a_run_that_failed_says_so(warehouse: Warehouse) -> None:
    run = warehouse.execute(ORDERS, record("orders", id=1), state(1), "no message")
    assert run.code == 1
    assert warehouse.rows("SELECT records, inserted, complete FROM _runs") == [(1, 1, False)]


def test_without_metadata_nothing_is_kept(warehouse: Warehouse) -> None:
    warehouse.load(ORDERS, record("orders", id=1))
    assert warehouse.tables() == {"orders"}


def test_a_stream_may_be_called_like_the_table_of_runs(warehouse: Warehouse) -> None:
    run = warehouse.execute(schema("_runs", id="integer"), record("_runs", id=7))
    assert run.code == 0
    (table,) = warehouse.tables() - {"_runs"}
    assert warehouse.rows(f"SELECT id FROM {table}") == [(7,)]
