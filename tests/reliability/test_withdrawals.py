"""Tables follow the vendors when they withdraw, move, merge and recompute records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from attribution_elt.sandbox import Fault, Sandbox
from tests.reliability.database import Database
from tests.reliability.days import PIPELINES, Days, Pipeline, at_the_sandbox, differences
from tests.reliability.fork_server import ForkServer
from tests.reliability.vanishing import simulate
from tests.targets.target_warehouse.warehouses import Warehouse

SHARE = 0.02


@pytest.fixture
def withdrawing() -> Iterator[Sandbox]:
    with at_the_sandbox(SHARE) as sandbox:
        yield sandbox


@pytest.mark.parametrize("pipeline", PIPELINES, ids=str)
def test_tables_equal_a_fresh_load_after_withdrawals(
    pipeline: Pipeline, withdrawing: Sandbox, warehouse: Warehouse
) -> None:
    daily = Days(pipeline, withdrawing, warehouse)
    daily.run()
    before = daily.tables()
    for days in (1, 4):
        withdrawing.advance(days)
        daily.run()
    now = daily.tables()
    assert any(set(before[name]) - set(now[name]) for name in now), "nothing was withdrawn"
    assert differences(now, daily.fresh().tables()) == {}
    check_sums(daily)


def check_sums(daily: Days) -> None:
    """Check that the weights of each event add up to 100, and the ihc of each journey to 1."""
    sums: defaultdict[Any, Decimal] = defaultdict(Decimal)
    if daily.pipeline.name == "attribution-io":
        for row in daily.rows("event_attributions"):
            sums[row["event_id"]] += Decimal(str(row["weight"]))
        assert sums
        assert {round(total, 6) for total in sums.values()} == {100}
        events = {row["id"] for row in daily.rows("events")}
        assert set(sums) <= events
    if daily.pipeline.name == "ihc":
        for row in daily.rows("attributions"):
            sums[row["conversion_id"]] += Decimal(str(row["ihc"]))
        assert {round(total, 9) for total in sums.values()} == {1}


@pytest.mark.parametrize("pipeline", PIPELINES, ids=str)
def test_an_emptied_vendor_removes_no_rows(
    pipeline: Pipeline, withdrawing: Sandbox, warehouse: Warehouse
) -> None:
    """Tables of more than 100 rows keep them, and the loader fails with one line."""
    grow(withdrawing)
    daily = Days(pipeline, withdrawing, warehouse)
    daily.run()
    before = daily.tables()
    withdrawing.advance()
    pipeline.vendor(withdrawing).emptied = True
    # without any customer or any credit, the taps make no claim
    claims = pipeline.name not in {"attribution-io", "ihc"}
    run = daily.load(daily.extract(), fails=claims)
    for name, rows in before.items():
        if len(rows) > 100:
            assert daily.tables()[name] == rows, name
    if claims:
        assert "VANISH_LIMIT=1" in str(run.error)
        assert "\n" not in str(run.error)
    pipeline.vendor(withdrawing).emptied = False
    # IHC's journeys without a response are failures, which vanish when the responses come
    daily.run(vanish_limit=1 if pipeline.name == "ihc" else 0.2)
    assert differences(daily.tables(), daily.fresh().tables()) == {}


def grow(sandbox: Sandbox) -> None:
    sandbox.adtraction.channel_count = 120
    sandbox.adtraction.programs_per_market = 30
    sizes = sandbox.ignite.sizes
    sizes.audiences, sizes.audience_groups, sizes.sales = 130, 110, 400
    sizes.members = 2


@pytest.mark.parametrize("pipeline", PIPELINES, ids=str)
def test_failed_requests_remove_no_rows(
    pipeline: Pipeline, withdrawing: Sandbox, warehouse: Warehouse
) -> None:
    daily = Days(pipeline, withdrawing, warehouse)
    daily.run()
    before = daily.tables()
    withdrawing.advance(2)
    pipeline.vendor(withdrawing).faults.add(Fault("status", status=500, times=None))
    output = daily.extract()
    assert output.code == 1
    daily.load(output)
    assert daily.tables() == before
    pipeline.vendor(withdrawing).faults.clear()
    daily.run()
    assert differences(daily.tables(), daily.fresh().tables()) == {}


def test_killed_runs_lose_no_order_while_others_vanish(
    forks: ForkServer, server: Database, tmp_path: Path
) -> None:
    """A few days of what test_many_withdrawals.py does for 60 days."""
    days = simulate(4, 8, forks, server, tmp_path, seed=2)
    assert not days.errors, str(days)
    assert days.changes > len(days.vanished)
    assert len(days.vanished) > 20
    assert days.complete
    assert days.polls
