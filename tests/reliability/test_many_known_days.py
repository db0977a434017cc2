"""90 days, and 50 of them at random as they were known; takes minutes."""

from __future__ import annotations

import os
import random

from tests.reliability.days import at_the_sandbox
from tests.reliability.known_days import KnownDays, differences
from tests.targets.target_warehouse.warehouses import Warehouse

DAYS = int(os.environ.get("RELIABILITY_DAYS", "90"))


def test_90_days_are_known_as_they_were(warehouse: Warehouse) -> None:
    with at_the_sandbox(0.02) as sandbox:
        sandbox.ecdp.history_days, sandbox.attribution_io.customer_count = 20, 8
        known = KnownDays(sandbox, warehouse, days=28)
        known.run(DAYS)
        days = sorted(known.copies)
        for day in random.Random(1).sample(days, min(50, DAYS)):
            assert differences(known, day) == []
