from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

import pytest

from attribution_elt.sandbox import Fault, Sandbox
from attribution_elt.sandbox.ecdp import longer_than
from attribution_elt.sandbox.ecdp.orders import is_quiet
from tests.taps.tap_ecdp.helpers import (
    ORDERS,
    bookmarks_after,
    matches_truth,
    requested_windows,
    run_here,
    settings,
)


def statuses(sandbox: Sandbox) -> Counter[int | None]:
    return Counter(request.status for request in sandbox.ecdp.requests)


def days(sandbox: Sandbox) -> list[date]:
    """Return every requested day, as often as it was requested."""
    return [
        first + timedelta(n)
        for first, last in requested_windows(sandbox)
        for n in range((last - first).days + 1)
    ]


@pytest.mark.parametrize("rule", ["inclusive", "strict"])
@pytest.mark.parametrize("width", [1, 2, 7, 1000])
def test_both_readings_of_the_date_rule_get_valid_requests(
    small: Sandbox, rule: Literal["inclusive", "strict"], width: int
) -> None:
    small.ecdp.history_days = 20
    small.ecdp.date_rule = rule
    assert matches_truth(small, run_here(settings(small, window_days=width)))
    assert set(statuses(small)) <= {200, 204}


@pytest.mark.parametrize("rule", ["inclusive", "strict"])
def test_a_last_window_of_one_day(small: Sandbox, rule: Literal["inclusive", "strict"]) -> None:
    small.ecdp.date_rule = rule
    config = settings(small, start_date="2026-03-24", window_days=7)
    output = run_here(config)
    assert [window[1] for window in requested_windows(small)] == [
        date(2026, 3, 30),
        date(2026, 3, 31),
    ]
    assert set(statuses(small)) <= {200, 204}
    assert bookmarks_after(output) == {"2026-03-31T00:00:00Z"}


@pytest.mark.parametrize("rule", ["inclusive", "strict"])
def test_a_range_of_one_day(sandbox: Sandbox, rule: Literal["inclusive", "strict"]) -> None:
    sandbox.ecdp.date_rule = rule
    output = run_here(settings(sandbox, start_date="2026-03-30", end_date="2026-03-30"))
    placed = {row["order_date_time"][:10] for row in output.records(ORDERS)}
    assert "2026-03-30" in placed
    assert bookmarks_after(output) == {"2026-03-30T00:00:00Z"}
    assert set(statuses(sandbox)) <= {200, 204}


def test_windows_cover_every_day_once(small: Sandbox) -> None:
    run_here(settings(small, start_date="2026-03-01", window_days=10))
    first = date(2026, 3, 1)
    assert Counter(days(small))[first] == 1
    assert set(days(small)) == {first + timedelta(n) for n in range(31)}
    assert len(requested_windows(small)) == 4


def test_today_is_the_last_day_where_no_end_is_set() -> None:
    today = datetime.now(UTC).date()
    with Sandbox(seed=7, today=today) as sandbox:
        sandbox.ecdp.history_days = 20
        output = run_here(settings(sandbox, end_date=...))
        assert matches_truth(sandbox, output)
        assert max(days(sandbox)) == today
        assert bookmarks_after(output) == {f"{today}T00:00:00Z"}


@pytest.mark.parametrize("end", ["2999-12-31", "2999-12-31T00:00:00Z"])
def test_nothing_is_requested_later_than_today(end: str) -> None:
    today = datetime.now(UTC).date()
    with Sandbox(seed=7, today=today) as sandbox:
        output = run_here(settings(sandbox, start_date=str(today - timedelta(3)), end_date=end))
        assert max(days(sandbox)) == today
        assert bookmarks_after(output) == {f"{today}T00:00:00Z"}


def test_a_start_in_the_future_is_a_warning_and_no_request(
    small: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    output = run_here(settings(small, start_date="2999-01-01", end_date=...))
    assert "no day to read: the first day is 2999-01-01" in caplog.text
    assert (output.code, output.records(ORDERS), requested_windows(small)) == (0, [], [])
    assert bookmarks_after(output) == {None}


def test_204_in_the_middle_is_an_empty_window_and_not_the_end(small: Sandbox) -> None:
    output = run_here(settings(small, window_days=1))
    assert matches_truth(small, output)
    empty = [day for day in set(days(small)) if is_quiet(day)]
    assert empty
    assert max(empty) < small.clock.today
    assert bookmarks_after(output) == {"2026-03-31T00:00:00Z"}


def test_two_empty_windows_are_not_the_end(small: Sandbox) -> None:
    config = settings(small, start_date="2025-12-01")
    assert matches_truth(small, run_here(config))
    assert statuses(small)[204] >= 5


@pytest.mark.parametrize(
    ("filters", "sent"),
    [
        ({"website_ids": [22]}, {(("websiteId", "22"),)}),
        ({"website_ids": [22, 48]}, {(("websiteId", "22"),), (("websiteId", "48"),)}),
        (
            {"message_types": ["Scenario", "Confirmation"]},
            {
                (("messageType", "Scenario"),),
                (("channel", "Email"), ("messageType", "Confirmation")),
            },
        ),
        (
            {"website_ids": [22, 35], "message_types": ["Newsletter"]},
            {
                (("messageType", "Newsletter"), ("websiteId", "22")),
                (("messageType", "Newsletter"), ("websiteId", "35")),
            },
        ),
        ({"website_ids": [], "message_types": []}, {()}),
    ],
)
def test_each_filter_is_a_separate_request(
    small: Sandbox, filters: dict[str, Any], sent: set[Any]
) -> None:
    output = run_here(settings(small, **filters))
    wanted = {
        tuple(
            sorted(
                (name, values[0])
                for name, values in request.query.items()
                if name in {"websiteId", "messageType", "channel"}
            )
        )
        for request in small.ecdp.requests
    }
    assert wanted == sent
    assert set(statuses(small)) <= {200, 204}
    keys = {
        (row["websiteId"], row["orderId"])
        for row in small.ecdp.truth()
        if row["websiteId"] in (filters.get("website_ids") or [row["websiteId"]])
        and row["messageType"] in (filters.get("message_types") or [row["messageType"]])
    }
    assert output.rows(ORDERS).keys() == keys
    assert output.code == 0


def test_a_wide_window_that_fails_is_halved_repeatedly(small: Sandbox) -> None:
    small.ecdp.faults.add(Fault("status", status=500, times=None, match=longer_than(2)))
    output = run_here(settings(small, window_days=16))
    assert matches_truth(small, output)
    assert output.code == 0
    assert bookmarks_after(output) == {"2026-03-31T00:00:00Z"}
    widths = Counter((last - first).days + 1 for first, last in requested_windows(small))
    assert widths[16] == 2, "a window that can be halved is not tried in vain"
    assert {16, 8, 4, 2} <= set(widths)


def test_a_day_that_overloads_with_the_day_before_is_requested_alone(small: Sandbox) -> None:
    small.ecdp.history_days = 10
    small.ecdp.faults.add(Fault("status", status=500, times=None, match=longer_than(1)))
    output = run_here(settings(small))
    assert matches_truth(small, output)
    assert output.code == 0


def test_a_window_that_times_out_is_halved(small: Sandbox) -> None:
    small.ecdp.faults.add(Fault("slow", delay=2, times=None, match=longer_than(4)))
    output = run_here(settings(small, start_date="2026-03-24", window_days=8, request_timeout=0.3))
    assert output.code == 0
    assert bookmarks_after(output) == {"2026-03-31T00:00:00Z"}
    assert (date(2026, 3, 24), date(2026, 3, 27)) in requested_windows(small)
    assert (date(2026, 3, 28), date(2026, 3, 31)) in requested_windows(small)


@pytest.mark.parametrize("rule", ["inclusive", "strict"])
def test_a_day_that_always_fails_does_not_affect_other_days(
    small: Sandbox, rule: Literal["inclusive", "strict"]
) -> None:
    small.ecdp.date_rule = rule
    bad = date(2026, 3, 10)

    def holds(request: Any) -> bool:
        start, end = (date.fromisoformat(request.query[n][0]) for n in ("startDate", "endDate"))
        return start <= bad <= end

    small.ecdp.faults.add(Fault("status", status=500, times=None, match=holds))
    output = run_here(settings(small, start_date="2026-03-06", window_days=7, max_retries=2))
    assert output.code == 1
    assert len(output.stderr.splitlines()) == 1
    days = {
        (row["websiteId"], row["orderId"]): row["orderDateTime"][:10]
        for row in small.ecdp.truth()
        if "2026-03-06" <= row["orderDateTime"][:10] <= "2026-03-31"
    }
    missing = days.keys() - output.rows(ORDERS).keys()
    assert {days[key] for key in missing} == {str(bad)}
    assert bookmarks_after(output) == {None}


def test_a_failed_filter_is_named_and_does_not_affect_the_others(small: Sandbox) -> None:
    fault = Fault("status", status=400, times=None, match="websiteId=22")
    small.ecdp.faults.add(fault)
    config = settings(small, start_date="2026-03-30", website_ids=[22, 35, 48])
    output = run_here({**config, "message_types": ["Newsletter", "Scenario"]})
    assert output.code == 1
    assert {row["website_id"] for row in output.records(ORDERS)} == {35, 48}
    newsletters, scenarios = output.stderr.splitlines()
    assert ", website 22, Newsletter: returned 400" in newsletters
    assert ", website 22, Scenario: returned 400" in scenarios
    assert bookmarks_after(output) == {None}
