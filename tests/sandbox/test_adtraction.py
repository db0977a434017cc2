from __future__ import annotations

import json
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import pytest
import requests

from attribution_elt.sandbox import Sandbox
from attribution_elt.sandbox.adtraction.stockholm import header, iso
from attribution_elt.sandbox.exact_json import decode

SAMPLES = json.loads((files("attribution_elt.sandbox.adtraction") / "documented.json").read_bytes())
DOCUMENTED_PROGRAM = {"market": "SE", "programId": 629059552, "channelId": 1175982945}
DOCUMENTED_CHANNEL = {"channelId": 26148592, "affiliateId": 26148590, "approvalStatus": 0}
JSON = "application/json;charset=UTF-8"


def ask(
    sandbox: Sandbox, method: str, path: str, body: Any = None, **options: Any
) -> requests.Response:
    vendor = sandbox.adtraction
    token = vendor.partner_token if path.startswith("/partner") else vendor.client_token
    options.setdefault("headers", {"X-Token": token})
    return requests.request(method, vendor.url + path, json=body, timeout=10, **options)


def programs(sandbox: Sandbox, **body: Any) -> Any:
    return decode(ask(sandbox, "POST", "/partner/programs/", {"market": "SE", **body}).content)


def channels(sandbox: Sandbox, **body: Any) -> Any:
    return ask(sandbox, "POST", "/client/channels/", body).json()


def update(sandbox: Sandbox, **body: Any) -> requests.Response:
    return ask(sandbox, "PUT", "/client/channels/", body)


def test_documented_programs(sandbox: Sandbox) -> None:
    answer = ask(
        sandbox,
        "POST",
        "/partner/programs/",
        DOCUMENTED_PROGRAM | {"approvalStatus": 1, "status": 0},
    )
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == JSON
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert answer.headers["X-RateLimit-Limit"] == "30"
    assert answer.headers["X-RateLimit-Remaining"] == "29"
    (program,) = answer.json()
    assert program == SAMPLES["program"]
    assert list(program) == list(SAMPLES["program"])
    assert '"epc":1.94' in answer.text
    assert (program["programId"], program["commissions"][0]["id"]) == (629059552, "1066446216")


@pytest.mark.parametrize("ids", ["23959067/101496920/", "23959067/", "629059552/1175982945/"])
def test_documented_commissions(sandbox: Sandbox, ids: str) -> None:
    answer = ask(sandbox, "GET", f"/partner/programs/commissions/{ids}")
    assert answer.json() == SAMPLES["program"]["commissions"]
    assert '"value":4.5' in answer.text


def test_documented_feed_info(sandbox: Sandbox) -> None:
    answer = ask(sandbox, "GET", "/partner/products/feedinfo/23959067/101496920/")
    assert answer.json() == [SAMPLES["feed_info"]]


def test_documented_feed(sandbox: Sandbox) -> None:
    body = {
        "programId": 23959067,
        "channelId": 101496920,
        "feedId": 749,
        "setEpi": True,
        "gt": False,
    }
    answer = ask(sandbox, "POST", "/partner/products/feed/", body)
    assert answer.json() == [SAMPLES["product"]]
    assert '"productPrice":"129.5"' in answer.text
    assert answer.headers["count"] == "1"
    assert answer.headers["feed_lastupdated"] == "Tue Aug 27 14:56:30 CEST 2019"
    assert answer.headers["Content-Length"] == str(len(answer.content))


def test_documented_channels(sandbox: Sandbox) -> None:
    answer = ask(sandbox, "POST", "/client/channels/", DOCUMENTED_CHANNEL)
    assert answer.json() == [SAMPLES["channel"]]
    assert answer.headers["X-RateLimit-Limit"] == "10"


def test_documented_update(sandbox: Sandbox) -> None:
    answer = update(sandbox, channelId=26148592, approvalStatus=0, rejectReason=3)
    assert (answer.status_code, answer.json()) == (200, {"success": True})


@pytest.mark.parametrize(
    ("path", "method"), [("/partner/programs/", "POST"), ("/client/channels/", "PUT")]
)
def test_each_token_opens_its_own_side(sandbox: Sandbox, path: str, method: str) -> None:
    vendor = sandbox.adtraction
    tokens = [vendor.partner_token, vendor.client_token]
    right, wrong = tokens if path.startswith("/partner") else reversed(tokens)
    for headers, query in (({"X-Token": right}, {}), ({}, {"token": right})):
        answer = ask(sandbox, method, path, {}, headers=headers, params=query)
        assert answer.status_code == 400
    for headers, query in (({"X-Token": wrong}, {}), ({}, {"token": wrong}), ({}, {})):
        answer = ask(sandbox, method, path, {}, headers=headers, params=query)
        assert answer.status_code == 401
        assert answer.json() == {"message": "Unauthorized access", "status": 401}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "Missing market."),
        (
            {"market": "Sweden"},
            "Invalid market. Expected value: an ISO 3166-1 Alpha-2 country code",
        ),
        ({"market": "SE", "channelId": None}, "Invalid channelId. Expected value: a number"),
        ({"market": "SE", "channelId": "5"}, "Invalid channelId. Expected value: a number"),
        ({"market": "SE", "status": 1}, "Invalid status. Expected value: 0 = live, 3 = closing"),
        (
            {"market": "SE", "approvalStatus": 3},
            (
                "Invalid approvalStatus. Expected value: "
                "0 = rejected, 1 = approved, 2 = pending review"
            ),
        ),
        ([], "Expected an object"),
    ],
)
def test_bad_body(sandbox: Sandbox, body: Any, message: str) -> None:
    answer = ask(sandbox, "POST", "/partner/programs/", body)
    assert answer.status_code == 400
    assert answer.json() == {"message": message, "status": 400}


def test_bodies_must_be_json(sandbox: Sandbox) -> None:
    token = {"X-Token": sandbox.adtraction.partner_token}
    url = f"{sandbox.adtraction.url}/partner/programs/"
    assert requests.post(url, data={"market": "SE"}, headers=token, timeout=10).status_code == 415
    broken = {"headers": token | {"Content-Type": "application/json"}, "data": "{"}
    assert requests.post(url, **broken, timeout=10).status_code == 400  # type: ignore[arg-type] # of any type


def test_paths_are_exact(sandbox: Sandbox) -> None:
    assert ask(sandbox, "GET", "/partner/programs/").status_code == 405
    assert ask(sandbox, "POST", "/partner/programs").status_code == 404
    assert ask(sandbox, "GET", "/partner/programs/commissions/x/").status_code == 400


def test_filters_of_programs(sandbox: Sandbox) -> None:
    channel_id = sandbox.adtraction.channel_ids[0]
    everything = programs(sandbox, channelId=channel_id)
    assert everything == sandbox.adtraction.programs("SE", channel_id)
    approved = programs(sandbox, channelId=channel_id, approvalStatus=1)
    assert 0 < len(approved) < len(everything)
    assert approved == [program for program in everything if program["approvalStatus"] == 1]
    one = everything[2]
    assert programs(sandbox, channelId=channel_id, programId=one["programId"]) == [one]


def test_filters_without_a_channel_find_nothing(sandbox: Sandbox) -> None:
    nothing = {"status": 200, "message": "No programs found."}
    assert programs(sandbox, status=0) == nothing
    assert len(programs(sandbox)) >= sandbox.adtraction.programs_per_market
    sandbox.adtraction.filters_need_channel = False
    assert isinstance(programs(sandbox, status=0), list)


@pytest.mark.parametrize(
    ("empty_as", "status", "text"),
    [
        ("message", 200, '{"status":200,"message":"No programs found."}'),
        ("list", 200, "[]"),
        ("no_content", 204, ""),
    ],
)
def test_nothing_found(sandbox: Sandbox, empty_as: Any, status: int, text: str) -> None:
    sandbox.adtraction.empty_as = empty_as
    answer = ask(sandbox, "POST", "/partner/programs/", {"market": "PT"})
    assert (answer.status_code, answer.text) == (status, text)


def test_live_programs_differ_from_the_document(sandbox: Sandbox) -> None:
    rows = sandbox.adtraction.truth()["programs"]
    ids = [commission["id"] for row in rows for commission in row["commissions"]]
    assert {type(each) for each in ids} == {int, str}
    assert any(isinstance(each, int) and each > 2**53 for each in ids)
    assert {row["approvalStatus"] for row in rows} == {0, 1, 2, 3}
    assert any("brandCategoryImage" in row for row in rows)
    assert all(bool(row["feeds"]) <= (row["approvalStatus"] == 1) for row in rows)
    offsets = {feed["lastUpdated"][-5:] for row in rows for feed in row["feeds"]}
    assert offsets == {"+0100", "+0200"}


def test_commissions_depend_on_the_segment(sandbox: Sandbox) -> None:
    (program, *_) = sandbox.adtraction.programs("SE", sandbox.adtraction.channel_ids[0])
    path = f"/partner/programs/commissions/{program['programId']}/"
    in_segment = ask(sandbox, "GET", f"{path}{sandbox.adtraction.channel_ids[0]}/")
    assert decode(in_segment.content) == program["commissions"]
    assert ask(sandbox, "GET", path).json()[0]["value"] == 5.25


def test_programs_in_pages(sandbox: Sandbox) -> None:
    channel_id = sandbox.adtraction.channel_ids[0]
    expected = sandbox.adtraction.programs("SE", channel_id)
    sandbox.adtraction.page_size = 3
    first = programs(sandbox, channelId=channel_id)
    assert first == {"count": len(expected), "pageSize": 3, "page": 0, "data": expected[:3]}
    assert programs(sandbox, channelId=channel_id, page=1)["data"] == expected[3:6]


def test_channels(sandbox: Sandbox) -> None:
    rows = channels(sandbox)
    assert rows == sandbox.adtraction.truth()["channels"]
    assert rows[0]["applicationDate"] == "2021-11-31"
    assert channels(sandbox, approvalStatus=0) == [row for row in rows if "rejectReason" in row]
    assert channels(sandbox, channelId=rows[4]["channelId"]) == [rows[4]]


def test_channels_are_updated(sandbox: Sandbox) -> None:
    channel_id = channels(sandbox)[1]["channelId"]
    assert update(sandbox, channelId=channel_id, approvalStatus=0, rejectReason=3).ok
    (rejected,) = channels(sandbox, channelId=channel_id)
    assert (rejected["approvalStatus"], rejected["reasonText"]) == (0, "404 on site")
    assert update(sandbox, channelId=channel_id, approvalStatus=1).ok
    (approved,) = channels(sandbox, channelId=channel_id)
    assert approved["approvalStatus"] == 1
    assert "rejectReason" not in approved


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"approvalStatus": 1}, 400),
        ({"channelId": 26148592}, 400),
        ({"channelId": 26148592, "approvalStatus": 2}, 400),
        ({"channelId": 26148592, "approvalStatus": 0}, 400),
        ({"channelId": 26148592, "approvalStatus": 0, "rejectReason": 13}, 400),
        ({"channelId": 4711, "approvalStatus": 1}, 404),
    ],
)
def test_bad_update(sandbox: Sandbox, body: Any, status: int) -> None:
    assert update(sandbox, **body).status_code == status


def test_data_changes_as_days_pass(sandbox: Sandbox) -> None:
    before = sandbox.adtraction.truth()
    sandbox.advance(days=10)
    after = sandbox.adtraction.truth()
    assert len(after["channels"]) > len(before["channels"])
    programs_before = {(row["channelId"], row["programId"]): row for row in before["programs"]}
    programs_after = {(row["channelId"], row["programId"]): row for row in after["programs"]}
    assert programs_before.keys() < programs_after.keys()
    assert any(row != programs_after[key] for key, row in programs_before.items())


def test_days_simulated_singly_or_together_give_equal_data(sandbox: Sandbox) -> None:
    with Sandbox(seed=sandbox.seed, today=sandbox.clock.today) as other:
        for _ in range(5):
            other.adtraction.truth()
            other.advance()
        sandbox.advance(days=5)
        assert other.adtraction.truth() == sandbox.adtraction.truth()


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC), "2026-03-29T01:59:59+0100"),
        (datetime(2026, 3, 29, 1, 0, 0, tzinfo=UTC), "2026-03-29T03:00:00+0200"),
        (datetime(2026, 10, 25, 0, 30, 0, tzinfo=UTC), "2026-10-25T02:30:00+0200"),
        (datetime(2026, 10, 25, 1, 30, 0, tzinfo=UTC), "2026-10-25T02:30:00+0100"),
    ],
)
def test_stockholm_time(moment: datetime, text: str) -> None:
    assert iso(moment) == text


def test_stockholm_time_in_headers() -> None:
    moment = datetime(2019, 8, 27, 12, 56, 30, tzinfo=UTC)
    assert header(moment) == "Tue Aug 27 14:56:30 CEST 2019"
    assert header(moment.replace(month=12)) == "Fri Dec 27 13:56:30 CET 2019"
