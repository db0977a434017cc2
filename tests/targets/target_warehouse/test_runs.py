"""The counts of a run can be queried in SQL."""

from __future__ import annotations

import pytest

from tests.targets.target_warehouse.claims import INSTANT, announced
from tests.targets.target_warehouse.warehouses import (
    Line,
    Warehouse,
    record,
    schema,
    state,
)

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
        (4, 4, 0, 0, 0, None),
        (4, 1, 1, 1, 1, None),
    ]


@pytest.mark.parametrize("end", ["garbage", record("orders", id=2)])
def test_an_interrupted_overwrite_counts_nothing(warehouse: Warehouse, end: Line) -> None:
    dated = schema("orders", id="integer", at=INSTANT) | {"bookmark_properties": ["at"]}
    lines = [dated, record("orders", id=1, at="2026-03-01T00:00:00Z"), state(1), end]
    warehouse.load(
        *lines, load_method="overwrite", add_record_metadata=True, batch_size_rows=1, fails=True
    )
    counts = COUNTS.replace("complete", "newest, loaded_at")
    assert warehouse.rows(counts) == [(0, 0, 0, 0, 0, None, None)]


def test_an_upsert_into_appended_rows_of_equal_key_is_refused(warehouse: Warehouse) -> None:
    order = record("orders", id=1, amount=1)
    for _ in range(2):
        warehouse.load(ORDERS, order, load_method="append-only")
    run = warehouse.load(ORDERS, record("orders", id=1, amount=2), fails=True)
    assert "changes from no column to id, but rows have the same new key" in str(run.error)
    assert warehouse.rows("SELECT id, amount FROM orders") == [(1, 1), (1, 1)]


def test_a_run_is_kept_with_its_name_and_its_times(warehouse: Warehouse) -> None:
    warehouse.load(
        ORDERS, record("orders", id=1), schema("empty", id="integer"), add_record_metadata=True
    )

    assert warehouse.rows(
        "SELECT stream, load_method, started_at <= loaded_at, loaded_at <= finished_at "
        "FROM _runs ORDER BY stream"
    ) == [("empty", "upsert", None, None), ("orders", "upsert", True, True)]
    assert len(warehouse.rows("SELECT DISTINCT run_id FROM _runs")) == 1


@pytest.mark.one_warehouse
def test_the_caller_may_set_the_run_id(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATTRIBUTION_ELT_RUN_ID", "nightly-1")
    warehouse.load(ORDERS, add_record_metadata=True)
    assert warehouse.rows("SELECT run_id FROM _runs") == [("nightly-1",)]


@pytest.mark.one_warehouse
def test_a_failed_run_is_recorded_as_failed(warehouse: Warehouse) -> None:
    lines: list[Line] = [ORDERS, record("orders", id=1), state(1), "no message"]
    warehouse.load(*lines, add_record_metadata=True, fails=True)
    assert warehouse.rows("SELECT records, inserted, complete FROM _runs") == [(1, 1, None)]
    [(message,)] = warehouse.rows("SELECT message FROM _runs")
    assert message.startswith("line 4 is not a Singer message: ")


@pytest.mark.one_warehouse
@pytest.mark.parametrize(
    ("format_", "values", "newest"),
    [
        ("date-time", ["2026-01-02T03:04:05Z", "2026-03-01T01:00:00+02:00"], "2026-02-28 23:00:00"),
        ("date", ["2026-05-01", "2026-01-02"], "2026-05-01 00:00:00"),
        (None, ["b", "c"], None),
    ],
)
def test_the_newest_replication_key(
    warehouse: Warehouse, format_: str | None, values: list[str], newest: str | None
) -> None:
    orders = schema("orders", id="integer", at={"type": ["string", "null"], "format": format_})
    orders["bookmark_properties"] = ["at"]
    records = [record("orders", id=number, at=at) for number, at in enumerate(values)]
    warehouse.load(orders, *records, record("orders", id=9), add_record_metadata=True)

    [(found,)] = warehouse.rows("SELECT newest FROM _runs")
    assert (found and str(found)[:19]) == newest


OWN = announced(ORDERS)
"""A SCHEMA message of a tap of this project."""


@pytest.mark.one_warehouse
@pytest.mark.parametrize(
    ("lines", "complete"),
    [
        ([OWN], False),
        ([OWN, state(1)], False),
        ([OWN, {**state(1), "complete": True}], True),
        ([{**state(1), "complete": True}, OWN], True),
        ([OWN, {**state(1), "complete": True}, state(2)], False),
        ([ORDERS, {**state(1), "complete": True}], True),
        ([ORDERS, {**state(1), "complete": "no"}], None),
        ([ORDERS, {**state(1), "delivered": "yesterday"}], None),
        ([ORDERS, state(1)], None),
    ],
)
def test_a_run_is_complete_if_the_tap_reports_its_end(
    warehouse: Warehouse, lines: list[Line], complete: bool | None
) -> None:
    warehouse.load(*lines, add_record_metadata=True)
    assert warehouse.rows("SELECT complete FROM _runs") == [(complete,)]


def test_a_run_with_a_stream_that_failed_is_not_complete(warehouse: Warehouse) -> None:
    with warehouse.connected() as connection:
        connection.execute("CREATE VIEW orders AS SELECT 1 AS other")
        connection.commit()
    warehouse.load(OWN, {**state(1), "complete": True}, add_record_metadata=True, fails=True)
    [(complete, message)] = warehouse.rows("SELECT complete, message FROM _runs")
    assert not complete
    assert message.startswith("stream 'orders': ")
