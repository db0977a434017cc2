"""Claims of the order report: their days, and the runs that make no claim."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from attribution_elt.kit.testing import Output, Warehouse, claims_of
from attribution_elt.sandbox import Fault, Request, Sandbox
from attribution_elt.sandbox.exact_json import decode, encode
from tests.taps.tap_ecdp.helpers import LINES, ORDERS, catalog, run_here, settings


def days(first: date, end: date) -> dict[str, Any]:
    return {"order_date_time": {"from": f"{first}T00:00:00Z", "to": f"{end}T00:00:00Z"}}


def reread(sandbox: Sandbox, **more: Any) -> dict[str, Any]:
    first = str(sandbox.ecdp.first_day - timedelta(1))
    return settings(sandbox, start_date=first, lookback_days=1000, **more)


def test_a_claim_leaves_out_the_first_day_and_a_set_last_day(small: Sandbox) -> None:
    first, last = small.clock.today - timedelta(20), small.clock.today - timedelta(5)
    config = settings(small, start_date=str(first), end_date=str(last))
    output = run_here(config)
    for stream in (ORDERS, LINES):
        assert claims_of(output, stream) == [days(first + timedelta(1), last)]


def test_without_an_end_date_a_claim_includes_today(small: Sandbox) -> None:
    today = datetime.now(UTC).date()
    output = run_here(settings(small, start_date=str(today - timedelta(3)), end_date=...))
    expected = days(today - timedelta(2), today + timedelta(1))
    assert claims_of(output, ORDERS) == [expected]


@pytest.mark.parametrize("length", [0, 1])
def test_a_range_without_a_day_between_its_ends_makes_no_claim(small: Sandbox, length: int) -> None:
    last = small.clock.today - timedelta(5)
    first = last - timedelta(length)
    output = run_here(settings(small, start_date=str(first), end_date=str(last)))
    assert claims_of(output, ORDERS) == claims_of(output, LINES) == []


def test_an_order_that_moves_between_windows_never_disappears(small: Sandbox) -> None:
    warehouse = Warehouse()
    config = reread(small, window_days=5)
    warehouse.load(run_here(config))
    before = set(warehouse.rows[ORDERS])
    moved = min(before, key=lambda key: warehouse.rows[ORDERS][key]["order_date_time"])
    last = str(small.clock.today)

    def move(body: bytes) -> bytes:
        """Remove the order from its window, as if it had moved to the last one."""
        answer = decode(body)
        answer["data"] = [
            each for each in answer["data"] if (each["websiteId"], each["orderId"]) != moved
        ]
        return encode(answer).encode()

    def is_last(request: Request) -> bool:
        return last in request.query["endDate"]

    small.ecdp.faults.add(Fault("status", status=404, match=is_last))
    small.ecdp.faults.add(Fault("altered", change=move, times=None))
    failed = run_here(config)
    warehouse.load(failed)
    assert failed.code == 1
    assert set(warehouse.rows[ORDERS]) == before, "the window of its new date failed"
    again = run_here(config)
    warehouse.load(again)
    assert again.code == 0
    assert before - set(warehouse.rows[ORDERS]) == {moved}


def test_a_failed_window_makes_no_claim_of_any_day(small: Sandbox) -> None:
    small.ecdp.faults.add(Fault("status", status=404))
    output = run_here(settings(small))
    assert output.code == 1
    assert claims_of(output, ORDERS) == claims_of(output, LINES) == []


def test_filters_are_part_of_the_claim_so_that_other_rows_stay(small: Sandbox) -> None:
    warehouse = Warehouse()
    warehouse.load(run_here(reread(small)))
    before = {stream: dict(rows) for stream, rows in warehouse.rows.items()}
    assert len({row["website_id"] for row in before[ORDERS].values()}) > 1
    output = run_here(reread(small, website_ids=[21], message_types=["Newsletter", "Scenario"]))
    warehouse.load(output)
    assert warehouse.rows == before
    kinds = [(each["website_id"], each["message_type"]) for each in claims_of(output, ORDERS)]
    assert kinds == [(21, "Newsletter"), (21, "Scenario")]
    assert claims_of(output, LINES) == [], "lines have no message type"


def test_a_line_that_an_order_no_longer_has_leaves_the_warehouse(small: Sandbox) -> None:
    warehouse = Warehouse()
    config = reread(small)
    warehouse.load(run_here(config))
    lines = len(warehouse.rows[LINES])

    def shorten(body: bytes) -> bytes:
        answer = decode(body)
        for order in answer["data"]:
            order["orderDetails"] = order["orderDetails"][:1]
        return encode(answer).encode()

    small.ecdp.faults.add(Fault("altered", change=shorten, times=None))
    warehouse.load(run_here(config))
    assert len(warehouse.rows[LINES]) < lines
    assert {key[2] for key in warehouse.rows[LINES]} == {1}


def test_an_order_without_its_lines_makes_no_claim_of_lines(small: Sandbox) -> None:
    def strip(body: bytes) -> bytes:
        answer = decode(body)
        del answer["data"][0]["orderDetails"]
        return encode(answer).encode()

    small.ecdp.faults.add(Fault("altered", change=strip))
    output = run_here(reread(small))
    assert claims_of(output, LINES) == []
    assert claims_of(output, ORDERS)


def test_lines_that_are_not_selected_make_no_claim(small: Sandbox) -> None:
    config = reread(small)
    output = run_here(config, catalog=catalog(config, ORDERS))
    assert {
        claim["stream"] for each in output.of("STATE") for claim in each.get("delivered", ())
    } == {ORDERS}


def test_an_order_without_a_website_is_kept_under_website_0(small: Sandbox) -> None:
    def strip(body: bytes) -> bytes:
        answer = decode(body)
        for order in answer["data"]:
            del order["websiteId"]
        return encode(answer).encode()

    whole = run_here(settings(small))
    small.ecdp.faults.add(Fault("altered", change=strip, times=None))
    output: Output = run_here(settings(small))
    assert output.code == 0
    assert {key[0] for key in output.rows(ORDERS)} == {0}
    assert {key[1] for key in output.rows(ORDERS)} == {key[1] for key in whole.rows(ORDERS)}
    assert output.states[-1]["bookmarks"] == whole.states[-1]["bookmarks"]
