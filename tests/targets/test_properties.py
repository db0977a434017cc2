"""Whatever Singer stream goes in comes out equal.

The suite runs the same examples each time. `WAREHOUSE_EXAMPLES=5000 scripts/test
tests/targets/test_properties.py` looks for new ones.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, given, note, settings

from tests.targets.oracle import check, expected, quoted
from tests.targets.strategies import Case, cases
from tests.targets.warehouses import Warehouse, state

EXAMPLES = os.environ.get("WAREHOUSE_EXAMPLES")


def empty(warehouse: Warehouse) -> None:
    with warehouse.connected() as connection:
        for table in warehouse.tables():
            connection.execute(f"DROP TABLE {quoted(table)}")
        connection.commit()


@settings(
    max_examples=int(EXAMPLES or 50),
    derandomize=EXAMPLES is None,
    database=None,
    deadline=None,
    phases=[Phase.generate, Phase.shrink],
    # Every example begins with a warehouse that has been emptied.
    suppress_health_check=list(HealthCheck),
)
@given(case=cases())
def test_what_goes_in_comes_out_equal(warehouse: Warehouse, case: Case) -> None:
    empty(warehouse)
    tables = expected(case)
    before = 0
    for number in range(len(case.runs)):
        run = case.runs[number]
        seen = Case(case.runs[: number + 1], case.settings)
        rejected = sum(len(table.rejected) for table in expected(seen).values())
        for message in run:
            note(f"{message.times} x {message.line()}")
        note("----")
        lines = [message.line() for message in run for _ in range(message.times)]
        done = warehouse.load(*lines, state(number), fails=rejected > before, **case.settings)
        assert done.states == [number]
        before = rejected
    check(warehouse, tables)
