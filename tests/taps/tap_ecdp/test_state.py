from __future__ import annotations

import json
from typing import Any

import pytest

from attribution_elt.sandbox import Fault, Request, Sandbox
from tests.tap_process import Output, lists_in, merged
from tests.taps.tap_ecdp.helpers import (
    KEYS,
    ORDERS,
    bookmarks,
    bookmarks_after,
    matches_truth,
    requested_windows,
    run_here,
    settings,
)

EARLIER = "2026-03-10T00:00:00Z"


def at(value: str, *streams: str) -> dict[str, Any]:
    state = {"replication_key": "order_date_time", "replication_key_value": value}
    return {"bookmarks": dict.fromkeys(streams or KEYS, state)}


def days_read(sandbox: Sandbox) -> str:
    return str(requested_windows(sandbox)[0][0])


def test_runs_over_weeks_keep_the_warehouse_equal_to_the_vendor(small: Sandbox) -> None:
    outputs: list[Output] = []
    state: dict[str, Any] = {}
    for days in (0, 1, 3, 10, 1):
        small.advance(days)
        outputs.append(run_here(settings(small, lookback_days=30), state=state))
        state = merged(state, outputs[-1].states[-1])
        assert matches_truth(small, *outputs)
        assert bookmarks_after(outputs[-1]) == {f"{small.clock.today}T00:00:00Z"}


def test_the_look_back_is_read_again_and_nothing_older(small: Sandbox) -> None:
    state = run_here(settings(small)).states[-1]
    small.ecdp.requests.clear()
    run_here(settings(small, lookback_days=5), state=state)
    assert days_read(small) == "2026-03-26"
    small.ecdp.requests.clear()
    run_here(settings(small, lookback_days=0), state=state)
    assert days_read(small) >= "2026-03-30"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"website_ids": [21]}, {"website_ids": [21, 22]}),
        ({"website_ids": [21]}, {}),
        ({"message_types": ["Scenario"]}, {"message_types": ["Scenario", "Newsletter"]}),
    ],
)
def test_another_filter_reads_from_the_start_date_again(
    small: Sandbox, before: dict[str, Any], after: dict[str, Any]
) -> None:
    state = run_here(settings(small, **before)).states[-1]
    small.ecdp.requests.clear()
    config = settings(small, lookback_days=1, **after)
    wider = run_here(config, state=state)
    assert days_read(small) == config["start_date"]
    small.ecdp.requests.clear()
    run_here(config, state=merged(state, wider.states[-1]))
    assert days_read(small) > config["start_date"]


def test_a_run_with_another_filter_that_fails_starts_over_later(small: Sandbox) -> None:
    state = run_here(settings(small, website_ids=[21])).states[-1]
    config = settings(small, lookback_days=1, website_ids=[21, 22], max_retries=1)
    small.ecdp.faults.add(Fault("status", status=404, times=None))
    failed = run_here(config, state=state)
    small.ecdp.faults.clear()
    small.ecdp.requests.clear()
    run_here(config, state=merged(state, failed.states[-1]))
    assert days_read(small) == config["start_date"]


@pytest.mark.parametrize("lookback", [30, 36_500])
def test_nothing_before_the_start_date_is_read_again(small: Sandbox, lookback: int) -> None:
    run_here(settings(small, start_date="2026-03-05", lookback_days=lookback), state=at(EARLIER))
    assert days_read(small) == "2026-03-05"


@pytest.mark.parametrize(
    "spelling", ["2026-03-10T00:00:00Z", "2026-03-10", "2026-03-10T00:00:00+00:00"]
)
def test_bookmarks_in_any_spelling(small: Sandbox, spelling: str) -> None:
    output = run_here(settings(small, lookback_days=2), state=at(spelling))
    assert days_read(small) == "2026-03-08"
    assert bookmarks_after(output) == {"2026-03-31T00:00:00Z"}


def test_a_stream_that_is_new_is_read_from_the_start(small: Sandbox) -> None:
    run_here(settings(small, lookback_days=2), state=at(EARLIER, ORDERS))
    assert days_read(small) == str(small.ecdp.first_day)


def test_a_run_starts_at_the_earliest_bookmark_of_its_streams(small: Sandbox) -> None:
    state = merged(at(EARLIER), at("2026-03-20T00:00:00Z", ORDERS))
    run_here(settings(small, lookback_days=2), state=state)
    assert days_read(small) == "2026-03-08"


def test_a_bookmark_never_decreases(small: Sandbox) -> None:
    config = settings(small, end_date="2026-03-05", lookback_days=30)
    output = run_here(config, state=at("2026-03-20T00:00:00Z"))
    assert small.ecdp.requests, "the look-back is read up to the end date"
    assert {value for state in output.states for value in bookmarks(state)} == {
        "2026-03-20T00:00:00Z"
    }


def test_an_end_before_the_look_back_is_no_request_and_no_change(small: Sandbox) -> None:
    config = settings(small, end_date="2026-03-01", lookback_days=3)
    output = run_here(config, state=at("2026-03-20T00:00:00Z"))
    assert requested_windows(small) == []
    assert bookmarks_after(output) == {"2026-03-20T00:00:00Z"}
    assert output.code == 0


def test_states_only_move_on_and_never_run_ahead_of_the_records(small: Sandbox) -> None:
    output = run_here(settings(small, window_days=5))
    before = ""
    seen: set[tuple[int, str]] = set()
    truth = {
        (row["websiteId"], row["orderId"]): row["orderDateTime"][:10] for row in small.ecdp.truth()
    }
    steps = 0
    for message in output.messages:
        if message["type"] == "RECORD":
            seen.add((message["record"]["website_id"], message["record"]["order_id"]))
        elif message["type"] == "STATE":
            marks = bookmarks(message["value"])
            mark = min(value or "" for value in marks)
            assert mark >= before
            steps += mark > before
            before = mark
            # a day more for orders with another offset
            assert {key for key, day in truth.items() if day < mark[:10]} <= seen or mark == ""
    assert steps == 9
    assert before <= "2026-03-31T00:00:00Z"


def test_a_state_is_small_and_without_lists(small: Sandbox) -> None:
    first = run_here(settings(small, window_days=1))
    small.advance(1)
    second = run_here(settings(small, window_days=1), state=first.states[-1])
    sizes = {len(json.dumps(output.states[-1])) for output in (first, second)}
    assert len(sizes) == 1
    assert max(sizes) < 400
    assert not any(lists_in(state) for output in (first, second) for state in output.states)


def failing_on(day: str) -> Fault:
    """Return status 500 for every window with this day."""

    def holds(request: Request) -> bool:
        return request.query["startDate"][0] <= day <= request.query["endDate"][0]

    return Fault("status", status=500, times=None, match=holds)


def test_a_window_that_fails_permanently_is_read_by_the_next_run(small: Sandbox) -> None:
    config = settings(small, window_days=5, lookback_days=0, max_retries=2)
    small.ecdp.faults.add(failing_on("2026-03-10"))
    first = run_here(config)
    assert first.code == 1
    assert len(first.stderr.splitlines()) == 1
    assert "2026-03-10" in first.stderr
    later = {row["order_date_time"][:10] for row in first.records(ORDERS)}
    assert max(later) > "2026-03-20", "the windows after it land"
    (mark,) = bookmarks_after(first)
    assert mark is not None
    assert mark < "2026-03-10"
    small.ecdp.faults.clear()
    small.ecdp.requests.clear()
    second = run_here(config, state=first.states[-1])
    assert second.code == 0
    assert bookmarks_after(second) == {"2026-03-31T00:00:00Z"}
    assert matches_truth(small, first, second)


def test_a_state_of_another_tap_is_accepted(small: Sandbox) -> None:
    output = run_here(settings(small), state={"bookmarks": {ORDERS: {}, "old": {}}})
    assert matches_truth(small, output)
