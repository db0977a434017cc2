"""Every Singer stream is stored and read back unchanged.

The suite runs the same examples each time. `WAREHOUSE_EXAMPLES=5000 scripts/test
tests/targets/target_warehouse/test_properties.py` looks for new ones.
"""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings

from tests.targets.target_warehouse.oracle import check, expected, quoted
from tests.targets.target_warehouse.strategies import (
    DAY,
    INTEGER,
    TEXT,
    Case,
    Record,
    Schema,
    Value,
    cases,
    plain,
)
from tests.targets.target_warehouse.warehouses import Warehouse, state

EXAMPLES = os.environ.get("WAREHOUSE_EXAMPLES")


@settings(
    max_examples=int(EXAMPLES or 15),
    derandomize=EXAMPLES is None,
    database=None,
    deadline=None,
    phases=[Phase.generate, Phase.shrink],
    # Every example begins with a warehouse that has been emptied.
    suppress_health_check=list(HealthCheck),
)
@given(case=cases())
def test_values_are_stored_and_read_back_unchanged(warehouse: Warehouse, case: Case) -> None:
    for run in case.runs:
        for message in run:
            note(f"{message.times} x {message.line()}")
        note("----")
    empty(warehouse)
    assert_equal(warehouse, case)


def empty(warehouse: Warehouse) -> None:
    with warehouse.connected() as connection:
        for table in warehouse.tables():
            connection.execute(f"DROP TABLE {quoted(table)}")
        connection.commit()


def assert_equal(warehouse: Warehouse, case: Case) -> None:
    before = 0
    for number, run in enumerate(case.runs):
        seen = Case(case.runs[: number + 1], case.settings)
        rejected = sum(len(table.rejected) for table in expected(seen).values())
        lines = [message.line() for message in run for _ in range(message.times)]
        done = warehouse.load(*lines, state(number), fails=rejected > before, **case.settings)
        assert done.states == [number]
        before = rejected
    check(warehouse, expected(case))


LATE = [
    {"size": Value("1.50", Decimal("1.5"))},
    {"new": plain("late")},
    {"day": Value('"2024-02-29T12:00:00Z"', datetime(2024, 2, 29, 12, tzinfo=UTC))},
    {"text": plain("a\0b")},
    {"new": plain({"a": Decimal(1)})},
    {"size": plain(Decimal(2**70)), "more": plain([])},
    {},
]


@pytest.mark.parametrize("batch_size_rows", [700, 10_000])
def test_properties_that_appear_late_in_a_batch(warehouse: Warehouse, batch_size_rows: int) -> None:
    things = Schema("things", ["id"], {"id": INTEGER, "size": INTEGER, "day": DAY, "text": TEXT})
    usual = {"size": plain(Decimal(7)), "day": Value('"2024-02-29"', date(2024, 2, 29))}
    records = []
    for number, unusual in enumerate(LATE):
        values = {"id": plain(Decimal(number)), **usual}
        records += [Record("things", values, times=600), Record("things", {**values, **unusual})]
    settings = {"load_method": "append-only", "batch_size_rows": batch_size_rows}
    assert_equal(warehouse, Case([[things, *records]] * 2, settings))
