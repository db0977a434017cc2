"""Journeys without credits are rows of `failures` and cost little quota."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from attribution_elt.sandbox import Fault
from attribution_elt.sandbox.exact_json import encode
from attribution_elt.sandbox.ihc import Ihc
from tests.invalid_journeys import invalid_journeys
from tests.tap_process import Output, Row
from tests.taps.tap_ihc.helpers import (
    DAY,
    bookmark,
    by_conversion,
    converted,
    expected,
    file_of,
    forget,
    matches_truth,
    run_here,
    sent,
    settings,
    short,
    some,
)

# their values are valid, but in another notation than the vendor's
MENDED = {
    "number for session_id",
    "T in timestamp",
    "fraction in timestamp",
    "closer_engagement true",
    "impression_interaction null",
}
INVALID = {
    "no session_id": "session_id is missing",
    "no timestamp": "timestamp is missing",
    "no channel_label": "channel_label is missing",
    "no holder_engagement": "holder_engagement is missing",
    "no closer_engagement": "closer_engagement is missing",
    "no conversion": "conversion is missing",
    "no conversion_id": "conversion_id is missing",
    "empty channel_label": "channel_label is missing",
    "empty session_id": "session_id is missing",
    "null timestamp": "timestamp is missing",
    "second 71": "timestamp '2021-01-10 17:09:71' is not like",
    "30 February": "timestamp '2021-02-30 17:09:31' is not like",
    "colon in offset": "some timestamps have a time zone and some have none",
    "Z for an offset": "some timestamps have a time zone and some have none",
    "offset in one session": "some timestamps have a time zone and some have none",
    "holder_engagement 2": "holder_engagement is 2, not 0 or 1",
    "conversion in quotes": "more than one session has conversion 1",
    "two conversions": "more than one session has conversion 1",
    "duplicate session_id": "session_id occurs more than once",
}


def compute(vendor: Ihc, tmp_path: Path, rows: list[Row], **more: Any) -> Output:
    given = {name: more.pop(name) for name in ("state",) if name in more}
    return run_here(settings(vendor, file_of(tmp_path / "j.jsonl", rows), **more), **given)


def test_every_kind_of_invalid_journey_is_known() -> None:
    assert INVALID.keys() | MENDED == invalid_journeys(DAY).keys()


@pytest.mark.parametrize("kind", INVALID)
def test_a_journey_that_cannot_be_valid_is_reported_and_not_sent(
    vendor: Ihc, tmp_path: Path, kind: str
) -> None:
    rows, good = invalid_journeys(DAY)[kind], short(3)
    output = compute(vendor, tmp_path, rows + good)
    assert output.code == 0
    (failure,) = output.records("failures")
    assert failure["reason"].startswith(INVALID[kind])
    assert failure["status_code"] is None
    assert failure["conversion_id"] == rows[-1].get("conversion_id", "")
    assert failure["session_id"] in {"", *(str(row.get("session_id")) for row in rows)}
    assert sent(vendor) == [set(by_conversion(good))]
    assert matches_truth(output.rows("attributions"), expected(vendor, good))


def test_values_in_another_notation_are_converted_and_sent(vendor: Ihc, tmp_path: Path) -> None:
    made = invalid_journeys(DAY)
    output = compute(vendor, tmp_path, [row for kind in MENDED for row in made[kind]])
    assert (output.code, output.records("failures")) == (0, [])
    assert len(output.rows("attributions")) == 3 * len(MENDED)
    (request,) = vendor.requests
    assert request.status == 200
    assert json.loads(request.body)["customer_journeys"]


@pytest.mark.parametrize(
    "timestamp",
    [
        "9999-12-31 23:59:59 -0400",
        "0001-01-01 00:00:00 +0400",
        "2026-03-01",
        "1772359200",
        "01.03.2026 10:00",
        "2026-03-01 25:00:00",
        "yesterday",
    ],
)
def test_an_unreadable_timestamp_is_a_failure(vendor: Ihc, tmp_path: Path, timestamp: str) -> None:
    output = compute(vendor, tmp_path, [{**short(1)[0], "timestamp": timestamp}])
    (failure,) = output.records("failures")
    assert failure["reason"].startswith(f"timestamp {timestamp!r} is ")
    assert (output.code, sent(vendor)) == (0, [])


def test_many_sessions_without_a_conversion_are_one_failure(vendor: Ihc, tmp_path: Path) -> None:
    rows = [{**row, "conversion_id": None} for row in short(5)]
    output = compute(vendor, tmp_path, rows)
    (failure,) = output.records("failures")
    assert failure["reason"] == "conversion_id is missing (and of 14 other sessions)"
    assert (output.code, sent(vendor)) == (0, [])


def test_a_journey_over_the_vendors_limit_is_not_sent(vendor: Ihc, tmp_path: Path) -> None:
    rows = some(1, lengths={range(3001, 3002): 1}) + some(1, 2, lengths={range(3000, 3001): 1})
    output = compute(vendor, tmp_path, rows)
    (failure,) = output.records("failures")
    assert failure["reason"] == "3001 sessions exceed the maximum of 3000"
    assert (failure["conversion_id"], failure["session_id"]) == (rows[0]["conversion_id"], "")
    assert sent(vendor) == [{rows[-1]["conversion_id"]}]


def test_a_journey_over_the_limit_that_is_set_waits_for_a_higher_one(
    vendor: Ihc, tmp_path: Path
) -> None:
    rows = some(1, lengths={range(21, 22): 1}) + some(1, 2, lengths={range(20, 21): 1})
    output = compute(vendor, tmp_path, rows, max_sessions_per_request=20)
    (failure,) = output.records("failures")
    assert failure["reason"] == "21 sessions exceed the maximum of 20 in a request"
    assert failure["conversion_timestamp"] == converted(rows[:21])
    assert sent(vendor) == [{rows[-1]["conversion_id"]}]
    forget(vendor)
    compute(vendor, tmp_path, rows, max_sessions_per_request=21, state=output.states[-1])
    assert sent(vendor) == [{rows[0]["conversion_id"]}]


def answer(vendor: Ihc, rows: list[Row], *errors: tuple[Row, str]) -> None:
    """Make the next response contain the credits of these journeys, and errors."""
    value = [row for each in by_conversion(rows).values() for row in vendor.credits(each)]
    failures = [
        {"trigger": trigger, "reason": reason, "statusCode": 406} for trigger, reason in errors
    ]
    body = encode({"value": value, "partialFailureErrors": failures, "statusCode": 206})
    vendor.faults.add(Fault("status", status=200, body=body))


@pytest.mark.parametrize("http_statuses", [set(), {206}])
def test_refused_journeys_are_reported_and_not_sent_again(
    vendor: Ihc, tmp_path: Path, http_statuses: set[int]
) -> None:
    vendor.http_statuses = http_statuses
    rows = short(20)
    vendor.refused_conversions = set(sorted(by_conversion(rows))[:3])
    output = compute(vendor, tmp_path, rows)
    assert output.code == 0
    assert {key[1:] for key in output.rows("failures")} == {
        (each, "") for each in vendor.refused_conversions
    }
    for failure in output.records("failures"):
        assert failure["reason"] == "Journey could not be computed"
        assert failure["status_code"] == 406
        assert failure["conversion_timestamp"] == converted(
            by_conversion(rows)[failure["conversion_id"]]
        )
    good = [row for row in rows if row["conversion_id"] not in vendor.refused_conversions]
    assert matches_truth(output.rows("attributions"), expected(vendor, good))
    forget(vendor)
    compute(vendor, tmp_path, rows, state=output.states[-1])
    assert sent(vendor) == []


@pytest.mark.parametrize(
    "names", [("conversion_id", "session_id"), ("conversion_id",), ("session_id",)]
)
def test_a_partial_failure_may_name_the_conversion_the_session_or_both(
    vendor: Ihc, tmp_path: Path, names: tuple[str, ...]
) -> None:
    rows = short(5)
    bad, good = rows[:3], rows[3:]
    answer(
        vendor, good, *(({name: row[name] for name in names}, row["session_id"]) for row in bad[:2])
    )
    output = compute(vendor, tmp_path, rows)
    assert output.code == 0
    assert matches_truth(output.rows("attributions"), expected(vendor, good))
    with_session = "session_id" in names
    failures = [(row["session_id"], row["reason"]) for row in output.records("failures")]
    first, second, third = (row["session_id"] for row in bad)
    assert {row["conversion_id"] for row in output.records("failures")} == {bad[0]["conversion_id"]}
    assert failures == (
        [(first, first), (second, second), (third, "IHC refused another session of it")]
        if with_session
        else [("", first), ("", second)]
    )


def test_a_session_that_is_in_two_journeys_is_of_the_one_without_credits(
    vendor: Ihc, tmp_path: Path
) -> None:
    rows = short(4)
    rows[0]["session_id"] = rows[3]["session_id"] = "same"
    answer(vendor, rows[3:], ({"session_id": "same"}, "bad"))
    output = compute(vendor, tmp_path, rows)
    assert output.code == 0
    assert {row["conversion_id"] for row in output.records("failures")} == {
        rows[0]["conversion_id"]
    }
    reasons = {row["session_id"]: row["reason"] for row in output.records("failures")}
    assert reasons.pop("same") == "bad"
    assert set(reasons.values()) == {"IHC refused another session of it"}


@pytest.mark.parametrize(
    "trigger", [{}, None, "x", ["x"], {"conversion_id": "of nobody"}, {"session_id": "x"}]
)
def test_a_failure_without_a_known_journey_leaves_its_sessions_without_a_result(
    vendor: Ihc, tmp_path: Path, caplog: pytest.LogCaptureFixture, trigger: Any
) -> None:
    rows = short(3)
    answer(vendor, rows[3:], (trigger, "bad"))
    output = compute(vendor, tmp_path, rows)
    assert output.code == 1
    assert "IHC reports failures without naming a journey that was sent" in caplog.messages
    assert {row["conversion_id"] for row in output.records("failures")} == {
        rows[0]["conversion_id"]
    }


def test_sessions_missing_in_the_response_are_sent_again(vendor: Ihc, tmp_path: Path) -> None:
    rows = short(20)
    lost = rows[7]
    vendor.missing_sessions = {lost["session_id"]}
    output = compute(vendor, tmp_path, rows)
    assert output.code == 1
    assert output.stderr == "IHC, 20 journeys of 60 sessions: sessions without a result: 1\n"
    (failure,) = output.records("failures")
    assert (failure["conversion_id"], failure["session_id"]) == (
        lost["conversion_id"],
        lost["session_id"],
    )
    assert failure["reason"].startswith("no result")
    assert bookmark(output.states[-1]) < converted(by_conversion(rows)[lost["conversion_id"]])
    vendor.missing_sessions = set()
    forget(vendor)
    again = compute(vendor, tmp_path, rows, state=output.states[-1])
    assert (again.code, sent(vendor)) == (0, [{lost["conversion_id"]}])
    rows_held = output.rows("attributions") | again.rows("attributions")
    assert matches_truth(rows_held, expected(vendor, rows))


@pytest.mark.parametrize("statuses", [{400}, set()], ids=["HTTP 400", "HTTP 200"])
def test_a_refused_request_is_halved_until_the_journey_at_fault_is_found(
    vendor: Ihc, tmp_path: Path, statuses: set[int]
) -> None:
    rows = short(100)
    bad = sorted(by_conversion(rows))[41]
    vendor.partial_failures, vendor.http_statuses = False, statuses
    vendor.refused_conversions = {bad}
    output = compute(vendor, tmp_path, rows)
    assert output.code == 0
    (failure,) = output.records("failures")
    assert (failure["conversion_id"], failure["session_id"]) == (bad, "")
    assert (failure["reason"], failure["status_code"]) == ("Invalid input", 400)
    good = [row for row in rows if row["conversion_id"] != bad]
    assert matches_truth(output.rows("attributions"), expected(vendor, good))
    assert set(vendor.journeys_computed.values()) == {1}
    assert len(sent(vendor)) <= 1 + 2 * math.ceil(math.log2(100))
    forget(vendor)
    compute(vendor, tmp_path, rows, state=output.states[-1])
    assert sent(vendor) == [], "what was refused is not sent again"


@pytest.mark.parametrize("count", [3, 12])
def test_many_journeys_at_fault_are_all_found(vendor: Ihc, tmp_path: Path, count: int) -> None:
    rows = short(250)
    vendor.partial_failures = False
    vendor.refused_conversions = set(sorted(by_conversion(rows))[:: 250 // count][:count])
    output = compute(vendor, tmp_path, rows)
    assert output.code == 0
    assert {key[1] for key in output.rows("failures")} == vendor.refused_conversions
    good = [row for row in rows if row["conversion_id"] not in vendor.refused_conversions]
    assert matches_truth(output.rows("attributions"), expected(vendor, good))
    assert set(vendor.journeys_computed.values()) == {1}


@pytest.mark.parametrize("place", range(4))
def test_a_journey_that_was_refused_alone_is_not_sent_by_a_later_run(
    vendor: Ihc, tmp_path: Path, place: int
) -> None:
    rows = short(4)
    bad = rows[3 * place]["conversion_id"]
    vendor.partial_failures = False
    vendor.refused_conversions = {bad}
    limits = {"max_journeys_per_request": 2, "max_requests_per_run": 3}
    state: dict[str, Any] = {}
    for _ in range(3):
        state = compute(vendor, tmp_path, rows, state=state, **limits).states[-1]
    assert sent(vendor).count({bad}) == 1
    assert len(vendor.journeys_computed) == 3


def test_a_lone_journey_that_is_refused_is_reported_once(vendor: Ihc, tmp_path: Path) -> None:
    vendor.partial_failures = False
    rows = short(1)
    vendor.refused_conversions = {rows[0]["conversion_id"]}
    output = compute(vendor, tmp_path, rows)
    assert (output.code, len(output.records("failures"))) == (0, 1)
    assert bookmark(output.states[-1]) == converted(rows)
    again = compute(vendor, tmp_path, rows, state=output.states[-1])
    assert (again.code, len(sent(vendor))) == (0, 1)


def test_settings_that_the_vendor_refuses_cost_few_requests_and_nothing_is_lost(
    vendor: Ihc, tmp_path: Path
) -> None:
    rows = short(500)
    wrong = {"conv_type_id": "not trained yet"}
    output = compute(vendor, tmp_path, rows, **wrong)
    assert output.stderr == (
        "IHC refused every journey, even a single one: Unknown 'conv_type_id': not trained yet\n"
    )
    assert len(sent(vendor)) < 20
    vendor.models["not trained yet"] = (1, 1, 1)
    again = compute(vendor, tmp_path, rows, state=output.states[-1], **wrong)
    assert again.code == 0
    assert matches_truth(again.rows("attributions"), expected(vendor, rows, "not trained yet"))


def test_a_refused_request_is_not_halved_where_the_settings_say_so(
    vendor: Ihc, tmp_path: Path
) -> None:
    rows = some(40)
    (at_fault, *_) = names = sorted(by_conversion(rows))
    vendor.partial_failures = False
    vendor.refused_conversions = {at_fault}
    config = settings(vendor, file_of(tmp_path / "j.jsonl", rows), bisect_refused_requests=False)
    output = run_here(config)
    assert output.code == 1
    assert len(vendor.requests) == 1
    assert {row["conversion_id"] for row in output.records("failures")} == set(names)
    vendor.refused_conversions = set()
    healed = run_here(config, state=output.states[-1] if output.states else {})
    assert healed.code == 0
    assert matches_truth(healed.rows("attributions"), expected(vendor, rows))


@pytest.mark.parametrize("status", [[400], {"is": 200}, "ok", None])
def test_a_status_of_another_type_is_retried(vendor: Ihc, tmp_path: Path, status: Any) -> None:
    rows = short(3)
    body = json.dumps({"value": [], "partialFailureErrors": [], "statusCode": status})
    vendor.faults.add(Fault("status", status=200, body=body))
    output = run_here(settings(vendor, file_of(tmp_path / "j.jsonl", rows)))
    assert output.code == 0
    assert matches_truth(output.rows("attributions"), expected(vendor, rows))


@pytest.mark.parametrize(
    "errors", [7, "text", {"reason": "x"}, [7, None], [{"trigger": {"conversion_id": ["a"]}}]]
)
def test_failures_of_another_shape_leave_their_journeys_for_the_next_run(
    vendor: Ihc, tmp_path: Path, errors: Any
) -> None:
    rows = short(3)
    config = settings(vendor, file_of(tmp_path / "j.jsonl", rows))
    body = json.dumps({"value": [], "partialFailureErrors": errors, "statusCode": 206})
    vendor.faults.add(Fault("status", status=200, body=body))
    output = run_here(config)
    assert (output.code, len(output.stderr.splitlines())) == (1, 1)
    assert "without a result" in output.stderr
    again = run_here(config, state=output.states[-1] if output.states else {})
    assert matches_truth(again.rows("attributions"), expected(vendor, rows))
