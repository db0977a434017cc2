"""The tap sends few requests, because they count against a monthly quota."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from attribution_elt.sandbox import Fault, Sandbox
from attribution_elt.sandbox.ihc import Ihc, value_null
from tests.tap_process import Output, Row, Rows
from tests.taps.tap_ihc.helpers import (
    bookmark,
    by_conversion,
    expected,
    file_of,
    forget,
    matches_truth,
    run_here,
    sent,
    sessions_sent,
    settings,
    short,
    some,
)

FREE_PLAN = 200


def compute(vendor: Ihc, tmp_path: Path, rows: list[Row], **more: Any) -> Output:
    given = {name: more.pop(name) for name in ("state",) if name in more}
    return run_here(settings(vendor, file_of(tmp_path / "j.jsonl", rows), **more), **given)


@pytest.mark.parametrize(
    ("journeys", "sessions"), [(100, 3000), (7, 3000), (100, 151), (7, 151), (1, 3000)]
)
def test_no_request_is_over_the_limits_and_no_journey_is_split(
    vendor: Ihc, tmp_path: Path, journeys: int, sessions: int
) -> None:
    rows = some(250 if journeys > 1 else 20)
    limits = {"max_journeys_per_request": journeys, "max_sessions_per_request": sessions}
    output = compute(vendor, tmp_path, rows, **limits)
    assert matches_truth(output.rows("attributions"), expected(vendor, rows))
    assert max(map(len, sent(vendor))) <= journeys
    assert max(sessions_sent(vendor)) <= sessions
    assert vendor.split_journeys == set()
    assert set(vendor.journeys_computed.values()) == {1}
    fewest = max(len(by_conversion(rows)) / journeys, len(rows) / sessions)
    assert len(sent(vendor)) <= fewest * 1.02 + 1


def test_a_free_plan_is_found_by_halving_and_logged_once(
    vendor: Ihc, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = short(700)
    vendor.max_sessions = FREE_PLAN
    output = compute(vendor, tmp_path, rows)
    assert output.code == 0
    assert matches_truth(output.rows("attributions"), expected(vendor, rows))
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "at most 200 from now on; set max_sessions_per_request" in warnings[0]
    refused = [request.status for request in vendor.requests].count(400)
    assert [request.status for request in vendor.requests[refused:]].count(400) == 0
    assert refused == 1, "300, then 150 and 150"
    assert len(sent(vendor)) <= refused + 2 + -(-(len(rows) - 300) // 198)
    assert set(vendor.journeys_computed.values()) == {1}


@pytest.mark.parametrize("plan", [90, 500, 1300])
def test_any_plan_is_met_and_later_requests_fit(vendor: Ihc, tmp_path: Path, plan: int) -> None:
    rows = some(200, lengths={range(2, 60): 1})
    vendor.max_sessions = plan
    output = compute(vendor, tmp_path, rows)
    assert (output.code, output.records("failures")) == (0, [])
    assert matches_truth(output.rows("attributions"), expected(vendor, rows))
    statuses = [request.status for request in vendor.requests]
    assert 400 not in statuses[10:]
    assert set(vendor.journeys_computed.values()) == {1}


def test_a_journey_that_no_request_of_the_plan_holds_is_reported(
    vendor: Ihc, tmp_path: Path
) -> None:
    """A journey larger than any accepted request and smaller than any refused one is sent alone."""
    fits = some(1, 2, lengths={range(199, 200): 1})
    huge = some(1, 3, lengths={range(900, 901): 1})
    rows = [*some(150, lengths={range(5, 20): 1}), *fits, *huge]
    vendor.max_sessions = FREE_PLAN
    output = compute(vendor, tmp_path, rows)
    assert output.code == 0
    (failure,) = output.records("failures")
    assert failure["conversion_id"] == huge[0]["conversion_id"]
    assert "900 sessions" in failure["reason"] or "900 > 200" in failure["reason"]
    good = [row for row in rows if row["conversion_id"] != huge[0]["conversion_id"]]
    assert matches_truth(output.rows("attributions"), expected(vendor, good))


def test_a_spent_quota_ends_the_run_in_a_line_and_the_next_month_resumes(
    sandbox: Sandbox, vendor: Ihc, tmp_path: Path
) -> None:
    rows = short(500)
    vendor.monthly_quota = 2
    first = compute(vendor, tmp_path, rows)
    assert first.code == 1
    assert first.stderr == "IHC: the monthly quota is spent; a later run resumes\n"
    assert len(sent(vendor)) == 3, "no second try"
    assert len(first.rows("attributions")) == 600
    sandbox.advance(1)
    second = compute(vendor, tmp_path, rows, state=first.states[-1])
    third = compute(vendor, tmp_path, rows, state=second.states[-1])
    assert second.code == 1
    sandbox.advance(30)
    third = compute(vendor, tmp_path, rows, state=second.states[-1])
    assert third.code == 0
    held = first.rows("attributions") | second.rows("attributions") | third.rows("attributions")
    assert matches_truth(held, expected(vendor, rows))
    assert set(vendor.journeys_computed.values()) == {1}


def test_a_throttle_is_waited_for(vendor: Ihc, tmp_path: Path) -> None:
    rows = short(300)
    throttled = Fault("status", status=429, times=2, body='{"message":"Too Many Requests"}')
    vendor.faults.add(throttled)
    output = compute(vendor, tmp_path, rows, max_retries=3, max_requests_per_run=3)
    assert output.code == 0
    assert matches_truth(output.rows("attributions"), expected(vendor, rows))
    assert [request.status for request in vendor.requests] == [429, 429, 200, 200, 200]


@pytest.mark.parametrize(
    "fault",
    [
        value_null(),
        Fault("status", status=200, body='{"value":null,"statusCode":500}'),
        Fault("status", status=200, body='{"value":[],"statusCode":500}'),
        Fault("status", status=503),
        Fault("reset"),
        Fault("truncate"),
        Fault("html"),
        Fault("invalid_json"),
    ],
    ids=["null", "null in 200", "500 in 200", "503", "reset", "truncate", "html", "invalid_json"],
)
def test_a_response_without_credits_is_requested_again(
    vendor: Ihc, tmp_path: Path, fault: Fault
) -> None:
    rows = short(5)
    vendor.faults.add(fault)
    output = compute(vendor, tmp_path, rows)
    assert output.code == 0
    assert matches_truth(output.rows("attributions"), expected(vendor, rows))
    assert len(sent(vendor)) == 2


def test_a_request_that_fails_permanently_leaves_the_others_and_is_sent_again(
    vendor: Ihc, tmp_path: Path
) -> None:
    rows = short(300)
    vendor.faults.add(value_null(times=2))
    output = compute(vendor, tmp_path, rows)
    assert output.code == 1
    assert output.stderr == "IHC, 100 journeys of 300 sessions: returned 500\n"
    assert len(output.rows("attributions")) == 600
    failed = sent(vendor)[0]
    forget(vendor)
    again = compute(vendor, tmp_path, rows, state=output.states[-1])
    assert (again.code, sent(vendor)) == (0, [failed])
    held = output.rows("attributions") | again.rows("attributions")
    assert matches_truth(held, expected(vendor, rows))


def test_max_requests_per_run_stops_and_the_next_runs_finish(
    vendor: Ihc, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = short(500)
    held: Rows = {}
    state: dict[str, Any] = {}
    marks = []
    for requests in (2, 2, 1, 0):
        forget(vendor)
        caplog.clear()
        output = compute(vendor, tmp_path, rows, max_requests_per_run=2, state=state)
        assert (output.code, len(sent(vendor))) == (0, requests)
        stopped = "max_requests_per_run is reached; the next run resumes" in caplog.messages
        assert stopped == (requests == 2)
        assert not held.keys() & output.rows("attributions").keys(), "nothing is computed twice"
        held |= output.rows("attributions")
        state = output.states[-1]
        marks.append(bookmark(state))
    assert matches_truth(held, expected(vendor, rows))
    assert marks == sorted(marks)


def test_retries_count_as_requests_of_a_run(vendor: Ihc, tmp_path: Path) -> None:
    rows = short(300)
    vendor.faults.add(value_null(times=5))
    output = compute(vendor, tmp_path, rows, max_retries=4, max_requests_per_run=3)
    assert (output.code, len(sent(vendor))) == (1, 3)
    assert "max_requests_per_run" in output.stderr
    vendor.faults.clear()
    again = compute(vendor, tmp_path, rows, state=output.states[-1])
    assert matches_truth(again.rows("attributions"), expected(vendor, rows))


def test_one_request_is_sent_after_the_other(vendor: Ihc, tmp_path: Path) -> None:
    compute(vendor, tmp_path, short(300), max_concurrent_requests=8)
    assert {request.in_flight for request in vendor.requests} == {1}
