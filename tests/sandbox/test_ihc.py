from __future__ import annotations

from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Any

import pytest
import requests

from attribution_elt.sandbox import Sandbox
from attribution_elt.sandbox.exact_json import decode, encode
from attribution_elt.sandbox.ihc import documented, value_null
from attribution_elt.sandbox.ihc.checks import DIRECTIONS
from attribution_elt.sandbox.ihc.journeys import journeys
from tests.invalid_journeys import invalid_journeys

Row = dict[str, Any]

DAY = date(2026, 3, 31)
COLUMNS = ("initializer", "holder", "closer", "ihc")
DOCUMENTED = documented.REQUEST["customer_journeys"]
PARAMETER = documented.REQUEST["redistribution_parameter"]


def post(sandbox: Sandbox, sessions: Any, query: str | None = None, **body: Any) -> Any:
    """Send sessions; return the HTTP status and the response."""
    ihc = sandbox.ihc
    answer = requests.post(
        f"{ihc.url}/compute_ihc?{f'conv_type_id={ihc.conv_type_id}' if query is None else query}",
        data=encode({"customer_journeys": sessions, **body}).encode(),
        headers={"x-api-key": ihc.api_key},
        timeout=10,
    )
    return answer.status_code, decode(answer.content)


def refusal(status: int, reason: str) -> tuple[int, Row]:
    error = {"trigger": {}, "reason": reason, "statusCode": 400}
    return status, {"value": [], "partialFailureErrors": [error], "statusCode": 400}


def session(number: int, channel: str = "Email", **changes: Any) -> Row:
    return {
        "conversion_id": "C1",
        "session_id": f"S{number}",
        "timestamp": f"2026-03-01 10:00:{number:02}",
        "channel_label": channel,
        "holder_engagement": 0,
        "closer_engagement": 0,
        "conversion": 0,
        **changes,
    }


def by_conversion(rows: list[Row]) -> dict[str, list[Row]]:
    return {key: list(group) for key, group in groupby(rows, lambda row: row["conversion_id"])}


def column(rows: list[Row], name: str) -> list[float]:
    return [float(row[name]) for row in rows]


def test_documented_sample(sandbox: Sandbox) -> None:
    answer = requests.post(
        f"{sandbox.ihc.url}/compute_ihc",
        params={"conv_type_id": sandbox.ihc.conv_type_id},
        data=encode(documented.REQUEST),
        headers={"x-api-key": sandbox.ihc.api_key},
        timeout=10,
    )
    ids = ("2020-12-27_0001", "2021-01-05_0001", "2021-01-10_0001", "2021-01-10_0002")
    numbers = (
        '"initializer":0.4723,"holder":0.0,"closer":0.0,"ihc":0.2537',
        '"initializer":0.3635,"holder":0.4067,"closer":0.0,"ihc":0.2524',
        '"initializer":0.1642,"holder":0.4659,"closer":0.0,"ihc":0.1537',
        '"initializer":0.0,"holder":0.1274,"closer":1.0,"ihc":0.3402',
    )
    rows = (
        f'{{"conversion_id":"EU02785522","session_id":"{session_id}'
        f'_DE_82a8917d-d9cb-a665-a1ce-34e9a279445c",{credit}}}'
        for session_id, credit in zip(ids, numbers, strict=True)
    )
    expected = f'{{"value":[{",".join(rows)}],"partialFailureErrors":[],"statusCode":200}}'
    assert (answer.status_code, answer.text) == (200, expected)


def test_documented_sample_in_other_spellings(sandbox: Sandbox) -> None:
    rewritten = [{**row, "timestamp": f"{row['timestamp']} +0100"} for row in DOCUMENTED]
    for row in rewritten:
        del row["impression_interaction"]
    _, answer = post(sandbox, rewritten[::-1])
    assert answer["value"] == documented.RESPONSE["value"][::-1]


@pytest.mark.parametrize("parameter", [None, PARAMETER])
def test_columns_sum_to_one(sandbox: Sandbox, parameter: Any) -> None:
    rows = list(journeys(60, DAY))
    without_holder = 0
    for sessions in by_conversion(rows).values():
        computed = sandbox.ihc.credits(sessions, "returning_customers", parameter)
        sums = [sum(row[name] for row in computed) for name in COLUMNS]
        engaged = any(row["holder_engagement"] for row in sessions)
        without_holder += not engaged
        assert sums == [1, int(engaged), 1, 1]
        assert all(0 <= row[name] <= 1 for row in computed for name in COLUMNS)
    assert without_holder


def test_phases(sandbox: Sandbox) -> None:
    sessions = [
        session(1),
        session(2, holder_engagement=1, impression_interaction=1),
        session(3, holder_engagement=1, closer_engagement=1),
        session(4, closer_engagement=1, conversion=1),
    ]
    computed = sandbox.ihc.credits(sessions)
    assert column(computed, "initializer") == [0.6, 0.2, 0.2, 0.0]
    assert column(computed, "holder") == [0.0, 0.3333, 0.6667, 0.0]
    assert column(computed, "closer") == [0.0, 0.0, 0.4286, 0.5714]
    assert column(sandbox.ihc.credits([session(1)]), "ihc") == [1.0]
    assert column(sandbox.ihc.credits([session(1), session(2)]), "closer") == [0.0, 1.0]


def test_credits_depend_on_content_and_conversion_type_only(sandbox: Sandbox) -> None:
    rows = list(journeys(20, DAY, lengths={range(2, 9): 1}))
    _, together = post(sandbox, rows)
    alone = [
        row
        for sessions in by_conversion(rows).values()
        for row in post(sandbox, sessions)[1]["value"]
    ]
    _, backwards = post(sandbox, rows[::-1])
    assert together["value"] == alone
    by_ids = [(row["conversion_id"], row["session_id"]) for row in rows]
    assert [(row["conversion_id"], row["session_id"]) for row in alone] == by_ids
    assert sorted(map(str, backwards["value"])) == sorted(map(str, alone))
    _, other = post(sandbox, rows, query="conv_type_id=returning_customers")
    assert [row["ihc"] for row in other["value"]] != [row["ihc"] for row in alone]


@pytest.mark.parametrize(
    ("direction", "threshold", "expected"),
    [
        # before: 0.4, 0.3, 0.2, 0.1, 0.0
        ("any_session", 0, [0.6667, 0.0, 0.3333, 0.0, 0.0]),
        ("any_session", 0.2, [0.6667, 0.0, 0.3333, 0.0, 0.0]),
        ("any_session", 0.2001, [0.8, 0.0, 0.2, 0.0, 0.0]),
        ("any_session", 0.5, [0.4, 0.3, 0.2, 0.1, 0.0]),
        ("earlier_sessions_only", 0, [0.7667, 0.0, 0.2333, 0.0, 0.0]),
        ("later_sessions_only", 0, [0.4, 0.0, 0.5, 0.0, 0.1]),
        ("later_sessions_only", 0.0001, [0.4, 0.0, 0.5, 0.1, 0.0]),
    ],
)
def test_redistribution(
    sandbox: Sandbox, direction: str, threshold: float, expected: list[float]
) -> None:
    channels = ("SEO", "Direct", "SEA", "Direct", "Affiliate")
    sessions = [session(number, channel) for number, channel in enumerate(channels)]
    rule = {
        "direction": direction,
        "receive_threshold": threshold,
        "redistribution_channel_labels": ["Direct", "direct"],
    }
    _, answer = post(sandbox, sessions, redistribution_parameter={"initializer": rule})
    assert column(answer["value"], "initializer") == expected
    expected_rows = sandbox.ihc.credits(sessions, redistribution_parameter={"initializer": rule})
    assert answer["value"] == expected_rows
    plain = sandbox.ihc.credits(sessions)
    assert column(plain, "initializer") == [0.4, 0.3, 0.2, 0.1, 0.0]
    assert column(answer["value"], "closer") == column(plain, "closer")
    assert (column(answer["value"], "ihc") == column(plain, "ihc")) == (threshold == 0.5)


@pytest.mark.parametrize(
    ("parameter", "complaint"),
    [
        ([], "' must be a dictionary"),
        ({"initialiser": {}}, ".initialiser' must be one of initializer, holder, closer"),
        ({"holder": None}, ".holder' must be a dictionary"),
        ({"holder": {}}, ".holder.direction' is missing"),
        ({"holder": {**PARAMETER["holder"], "top": 1}}, ".holder.top' is unknown"),
        (
            {"closer": {**PARAMETER["closer"], "direction": "earlier"}},
            f".closer.direction' must be one of {', '.join(DIRECTIONS)}",
        ),
        (
            {"closer": {**PARAMETER["closer"], "receive_threshold": Decimal("1.1")}},
            ".closer.receive_threshold' must be a number of [0,1]",
        ),
        (
            {"closer": {**PARAMETER["closer"], "receive_threshold": "0"}},
            ".closer.receive_threshold' must be a number of [0,1]",
        ),
        (
            {"closer": {**PARAMETER["closer"], "redistribution_channel_labels": "Direct"}},
            ".closer.redistribution_channel_labels' must be a list of channels",
        ),
    ],
)
def test_bad_redistribution_parameter(sandbox: Sandbox, parameter: Any, complaint: str) -> None:
    answer = post(sandbox, DOCUMENTED, redistribution_parameter=parameter)
    assert answer == refusal(400, f"'redistribution_parameter{complaint}")
    assert not sandbox.ihc.journeys_computed


@pytest.mark.parametrize("http_statuses", [set(), {206, 400}])
def test_partial_failure(sandbox: Sandbox, http_statuses: set[int]) -> None:
    sandbox.ihc.http_statuses = http_statuses
    ids = {"conversion_id": "EU02785523", "session_id": DOCUMENTED[-1]["session_id"]}
    bad = [{**row, "conversion_id": "EU02785523"} for row in DOCUMENTED]
    bad[-1]["timestamp"] = "2021-01-10 17:09:71"
    status, answer = post(sandbox, [*bad, *DOCUMENTED])
    reason = "Wrongly Formatted 'timestamp' field: 2021-01-10 17:09:71"
    assert answer == {
        "value": documented.RESPONSE["value"],
        "partialFailureErrors": [{"trigger": ids, "reason": reason, "statusCode": 406}],
        "statusCode": 206,
    }
    assert status == (206 if http_statuses else 200)
    assert sandbox.ihc.journeys_computed == {"EU02785522": 1}


@pytest.mark.parametrize(
    ("wrong", "reason", "trigger"),
    [
        ("no conversion_id", "Missing 'conversion_id' field", "session_id"),
        ("no session_id", "Missing 'session_id' field", "conversion_id"),
        ("no channel_label", "Missing 'channel_label' field", "both"),
        ("empty channel_label", "Wrongly Formatted 'channel_label' field: ", "both"),
        ("number for session_id", "Wrongly Formatted 'session_id' field: 17", "conversion_id"),
        ("30 February", "Wrongly Formatted 'timestamp' field: 2021-02-30 17:09:31", "both"),
        (
            "colon in offset",
            "Wrongly Formatted 'timestamp' field: 2021-01-10 17:09:31 +04:00",
            "both",
        ),
        (
            "offset in one session",
            "'timestamp' fields with and without timezone information",
            "conversion_id",
        ),
        ("holder_engagement 2", "Wrongly Formatted 'holder_engagement' field: 2", "both"),
        ("closer_engagement true", "Wrongly Formatted 'closer_engagement' field: True", "both"),
        ("conversion in quotes", "Wrongly Formatted 'conversion' field: 1", "both"),
        ("two conversions", "More than one session with 'conversion' 1", "conversion_id"),
        ("duplicate session_id", "Duplicate 'session_id': ", "both"),
    ],
)
def test_reasons(sandbox: Sandbox, wrong: str, reason: str, trigger: str) -> None:
    journey = invalid_journeys(DAY)[wrong]
    _, answer = post(sandbox, journey)
    (error,) = answer["partialFailureErrors"]
    if wrong == "duplicate session_id":
        reason += journey[0]["session_id"]
    ids = {"conversion_id", "session_id"} if trigger == "both" else {trigger}
    assert (error["reason"], set(error["trigger"])) == (reason, ids)
    assert all(error["trigger"][name] in {row.get(name) for row in journey} for name in ids)


def test_exactly_the_invalid_journeys_are_refused(sandbox: Sandbox) -> None:
    invalid = list(invalid_journeys(DAY).values())
    good = list(journeys(30, DAY, seed=2))
    _, answer = post(sandbox, [*good, *(row for journey in invalid for row in journey)])
    assert answer["statusCode"] == 206
    assert len(answer["partialFailureErrors"]) == len(invalid)
    assert [row["session_id"] for row in answer["value"]] == [row["session_id"] for row in good]


def test_only_one_id_in_trigger(sandbox: Sandbox) -> None:
    bad = [session(1, conversion=2)]
    for only, ids in (
        ("conversion_id", {"conversion_id": "C1"}),
        ("session_id", {"session_id": "S1"}),
    ):
        sandbox.ihc.trigger_ids = only  # type: ignore[assignment] # a literal
        assert post(sandbox, bad)[1]["partialFailureErrors"][0]["trigger"] == ids


def test_one_bad_journey_may_fail_the_request(sandbox: Sandbox) -> None:
    sandbox.ihc.refused_conversions = {"C1"}
    sessions = [*DOCUMENTED, session(1)]
    _, answer = post(sandbox, sessions)
    assert [error["trigger"] for error in answer["partialFailureErrors"]] == [
        {"conversion_id": "C1"}
    ]
    sandbox.ihc.partial_failures = False
    assert post(sandbox, sessions) == refusal(400, "Invalid input")
    assert post(sandbox, DOCUMENTED)[0] == 200


@pytest.mark.parametrize(
    ("sessions", "query", "reason"),
    [
        ([], None, "'customer_journeys' is empty"),
        ({}, None, "'customer_journeys' must be a list of sessions"),
        (["EU1"], None, "'customer_journeys' must be a list of sessions"),
        (DOCUMENTED, "", "Missing 'conv_type_id' parameter"),
        (DOCUMENTED, "conv_type_id=", "Missing 'conv_type_id' parameter"),
        (DOCUMENTED, "conv_type_id=nobody", "Unknown 'conv_type_id': nobody"),
    ],
)
@pytest.mark.parametrize("http_status", [200, 400])
def test_invalid_input(
    sandbox: Sandbox, sessions: Any, query: str | None, reason: str, http_status: int
) -> None:
    sandbox.ihc.http_statuses = {http_status}
    assert post(sandbox, sessions, query) == refusal(http_status, reason)


def test_body_that_is_not_json(sandbox: Sandbox) -> None:
    url = f"{sandbox.ihc.url}/compute_ihc?conv_type_id={sandbox.ihc.conv_type_id}"
    key = {"x-api-key": sandbox.ihc.api_key}
    answer = requests.post(url, data='{"customer_journeys": [],}', headers=key, timeout=10)
    assert (answer.status_code, answer.json()) == refusal(400, "The body is not valid JSON")


def test_limits_of_a_request(sandbox: Sandbox) -> None:
    journeys_ = [session(1, conversion_id=f"C{number}") for number in range(101)]
    long = [{**session(1), "session_id": f"S{number}"} for number in range(3001)]
    assert post(sandbox, journeys_[:100])[1]["statusCode"] == 200
    reason = "Too many customer journeys in a single request: 101 > 100"
    assert post(sandbox, journeys_) == refusal(400, reason)
    assert post(sandbox, long[:3000])[1]["statusCode"] == 200
    reason = "Too many sessions in a single request: 3001 > 3000"
    assert post(sandbox, long) == refusal(400, reason)
    sandbox.ihc.max_sessions = 200
    assert post(sandbox, long[:200])[1]["statusCode"] == 200
    assert post(sandbox, long[:201])[0] == 400


def test_gateway(sandbox: Sandbox) -> None:
    url = f"{sandbox.ihc.url}/compute_ihc"
    for key in ({}, {"x-api-key": "wrong"}):
        answer = requests.post(url, headers=key, timeout=10)
        assert (answer.status_code, answer.json()) == (403, {"message": "Forbidden"})
    answer = requests.get(sandbox.ihc.url, timeout=10)
    assert (answer.status_code, answer.json()) == (403, {"message": "Missing Authentication Token"})
    assert sandbox.ihc.quota_used == 0


def test_monthly_quota(sandbox: Sandbox) -> None:
    sandbox.ihc.monthly_quota = 2
    over = (429, {"message": "Limit Exceeded"})
    assert (post(sandbox, DOCUMENTED)[0], post(sandbox, [])[0]) == (200, 400)
    assert [post(sandbox, DOCUMENTED) for _ in range(2)] == [over, over]
    assert (sandbox.ihc.quota_used, len(sandbox.ihc.requests)) == (2, 4)
    sandbox.advance()  # to the first of April
    assert post(sandbox, DOCUMENTED)[0] == 200


def test_value_null_with_status_500(sandbox: Sandbox) -> None:
    sandbox.ihc.faults.add(value_null())
    status, answer = post(sandbox, DOCUMENTED)
    assert (status, answer["value"]) == (500, None)
    sandbox.ihc.missing_sessions = {DOCUMENTED[1]["session_id"]}
    sandbox.ihc.extra = {"confidence": Decimal("0.50")}
    _, answer = post(sandbox, DOCUMENTED)
    kept = [documented.RESPONSE["value"][place] for place in (0, 2, 3)]
    assert answer["value"] == [{**row, "confidence": Decimal("0.50")} for row in kept]
    assert (answer["partialFailureErrors"], answer["statusCode"]) == ([], 200)


def test_counters(sandbox: Sandbox) -> None:
    ihc = sandbox.ihc
    sessions: list[Row] = [session(number) for number in range(4)]
    other = [{**row, "conversion_id": "C2"} for row in sessions]
    post(sandbox, sessions)
    post(sandbox, [*sessions, *other[:2]])
    assert not ihc.split_journeys
    post(sandbox, other[2:])
    assert ihc.split_journeys == {"C2"}
    assert ihc.journeys_computed == {"C1": 2, "C2": 2}
    assert (ihc.sessions_computed["C1", "S0"], ihc.sessions_computed["C2", "S3"]) == (2, 1)
    assert requests.get(f"{sandbox.url}/_sandbox/truth/ihc", timeout=10).json() == {
        "quota_used": 3,
        "journeys_computed": {"C1": 2, "C2": 2},
        "sessions_computed": 12,
    }
    assert sandbox.ihc.requests[0].headers["x-api-key"] == "{api_key}"
