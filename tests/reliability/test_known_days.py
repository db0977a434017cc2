"""Tables and pages as known on a day equal copies made that day."""

from __future__ import annotations

from tests.reliability.days import at_the_sandbox
from tests.reliability.known_days import KnownDays, differences
from tests.targets.target_warehouse.warehouses import Warehouse


def test_each_day_is_known_as_it_was(warehouse: Warehouse) -> None:
    """A few days of what test_many_known_days.py does for 90."""
    with at_the_sandbox(0.02) as sandbox:
        sandbox.ecdp.history_days, sandbox.attribution_io.customer_count = 12, 8
        known = KnownDays(sandbox, warehouse)
        known.run(3)
        days = sorted(known.copies)
        assert len({str(known.copies[day]) for day in days}) == 3
        for day in days[:2]:
            assert differences(known, day) == []
