from __future__ import annotations

import json
from typing import Any, Literal

import pytest

from attribution_elt.sandbox import Fault
from attribution_elt.sandbox.adtraction import Adtraction
from attribution_elt.sandbox.exact_json import decode, encode
from tests.taps.tap_adtraction.helpers import (
    all_bookmarks,
    answer_with,
    bookmarks,
    expected,
    matches_truth,
    only,
    requests_for,
    run_here,
    settings,
)

ONE = {"markets": ["SE"], "channel_ids": [1]}


@pytest.mark.parametrize("empty", ["message", "list", "no_content"])
def test_each_form_of_an_empty_response_gives_no_rows(
    vendor: Adtraction, empty: Literal["message", "list", "no_content"]
) -> None:
    vendor.empty_as = empty
    vendor.feed_sizes = (0, 3)
    vendor.channel_count = 0
    output = run_here(settings(vendor, markets=["SE", "FI"]))
    assert output.code == 0
    assert output.records("channels") == []
    assert {row["market"] for row in output.records("programs")} == {"SE"}
    marks = {name: mark for name, mark in all_bookmarks(vendor).items() if ":7000" in name}
    assert bookmarks(output.states[-1]) == marks, "an empty feed is a feed that was read"
    tried_once = len(requests_for(vendor, "programs")) + len(requests_for(vendor, "feed")) + 1
    assert len(vendor.requests) == tried_once


@pytest.mark.parametrize(
    "body",
    [
        '{"programs":[]}',
        '{"data":[]}',
        '{"count":0,"pageSize":50,"page":0,"data":[]}',
        '{"status":200,"message":"No programs found."}',
        '{"message":"No programs found."}',
    ],
)
def test_an_empty_envelope_or_a_message_is_no_rows(vendor: Adtraction, body: str) -> None:
    answer_with(vendor, "programs", body)
    output = run_here(settings(vendor, **ONE))
    assert (output.code, output.records("programs")) == (0, [])
    assert len(requests_for(vendor, "programs")) == 1


@pytest.mark.parametrize(
    "filters", [{"program_ids": [1, 3]}, {"approval_status": 1}, {"program_status": 0}]
)
def test_filters_apply_to_numbers_that_arrive_as_text(
    vendor: Adtraction, filters: dict[str, Any]
) -> None:
    numbers = [("1", "1", "0"), ("2", "0", "3")]
    programs = [
        {"programId": id_, "approvalStatus": approval, "status": status}
        for id_, approval, status in numbers
    ]
    answer_with(vendor, "programs", json.dumps(programs))
    output = run_here(settings(vendor, **ONE, **filters))
    assert [row["program_id"] for row in output.records("programs")] == [1]


@pytest.mark.parametrize(
    ("status", "tries"), [(400, 1), (404, 1), (409, 1), (429, 3), (500, 3), (503, 3)]
)
def test_an_error_inside_a_200_is_an_error(vendor: Adtraction, status: int, tries: int) -> None:
    body = json.dumps({"message": "something is wrong", "status": status})
    answer_with(vendor, "programs", body, times=None)
    output = run_here(settings(vendor, **ONE))
    assert len(requests_for(vendor, "programs")) == tries
    assert output.code == 1
    assert output.records("channels"), "the others land"
    (line,) = output.stderr.splitlines()
    for word in ("Adtraction", "market SE", "channel 1", str(status), "something is wrong"):
        assert word in line


def test_an_error_next_to_an_empty_list_is_an_error(vendor: Adtraction) -> None:
    answer_with(vendor, "programs", '{"status":400,"message":"Invalid market","data":[]}', None)
    assert run_here(settings(vendor, **ONE)).code == 1


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize(
    ("path", "account", "left"),
    [("partner", "partner_token", {"channels"}), ("client", "client_token", {"programs", "feeds"})],
)
def test_a_refused_token_does_not_stop_the_other_one(
    vendor: Adtraction, status: int, path: str, account: str, left: set[str], *, inside: bool
) -> None:
    body = json.dumps({"message": "Unauthorized access", "status": status})
    sent = 200 if inside else status
    vendor.faults.add(Fault("status", status=sent, body=body, times=None, match=f"/{path}/"))
    vendor.latency = 0.02
    output = run_here(settings(vendor, max_concurrent_requests=4))
    assert output.code == 1
    (line,) = output.stderr.splitlines()
    for word in ("Adtraction", str(status), account):
        assert word in line
    streams = {message["stream"] for message in output.of("RECORD")}
    assert left <= streams
    assert ("channels" in streams) == (account == "partner_token")
    assert len([each for each in vendor.requests if f"/{path}/" in each.path]) <= 4


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_that_is_the_only_one_ends_the_run_at_once(
    vendor: Adtraction, status: int
) -> None:
    vendor.faults.add(Fault("status", status=status, times=None))
    config = settings(vendor, client_token=..., max_concurrent_requests=2)
    output = run_here(config)
    assert (output.code, len(output.stderr.splitlines())) == (1, 1)
    assert f"returned {status}: check the setting partner_token" in output.stderr
    assert len(vendor.requests) <= 2
    assert output.of("RECORD") == []


@pytest.mark.parametrize("location", ["header", "query"])
def test_each_token_goes_where_it_should_and_nowhere_else(
    vendor: Adtraction, location: str
) -> None:
    vendor.feed_sizes = (2,)
    assert matches_truth(vendor, run_here(settings(vendor, auth_location=location)))
    for request in vendor.requests:
        token = "{client_token}" if "/client/" in request.path else "{partner_token}"
        in_query = location == "query"
        assert request.query == ({"token": [token]} if in_query else {})
        assert request.headers.get("x-token") == (None if in_query else token)


def test_requests_are_as_documented(vendor: Adtraction) -> None:
    run_here(settings(vendor, user_agent="shop/1.0"))
    for request in vendor.requests:
        assert request.method == "POST"
        assert request.headers["content-type"] == "application/json"
        assert request.headers["accept"] == "application/json"
        assert request.headers["user-agent"] == "shop/1.0"
    assert {request.status for request in vendor.requests} == {200}
    assert [request.body for request in requests_for(vendor, "channels")] == ["{}"]


@pytest.mark.parametrize(
    ("filters", "sent"),
    [
        ({"approval_status": 1}, {"approvalStatus": 1}),
        ({"approval_status": 0}, {"approvalStatus": 0}),
        ({"program_status": 0}, {"status": 0}),
        ({"program_status": 3}, {"status": 3}),
        ({"approval_status": 2, "program_status": 0}, {"approvalStatus": 2, "status": 0}),
        ({"approval_status": 3}, {}),
        ({"program_status": 7}, {}),
        ({"program_ids": [700000001]}, {"programId": 700000001}),
        ({"program_ids": [700000001, 700000003, 99]}, {}),
        ({"program_ids": []}, {}),
    ],
)
@pytest.mark.parametrize("with_channels", [True, False])
def test_filters_apply_with_channels_and_without(
    vendor: Adtraction, filters: dict[str, Any], sent: dict[str, int], *, with_channels: bool
) -> None:
    vendor.feed_sizes = (2,)
    vendor.clock.advance(90)
    channels = {} if with_channels else {"channel_ids": ...}
    output = run_here(settings(vendor, **channels, **filters))
    assert output.code == 0
    assert {request.status for request in vendor.requests} == {200}
    for request in requests_for(vendor, "programs"):
        body = request.json()
        del body["market"]
        assert bool(body.pop("channelId", None)) == with_channels
        usable = {k: v for k, v in sent.items() if with_channels or k == "programId"}
        assert body == usable, "without a channel the vendor's filters find nothing"
    wanted = [
        (channel_id or 0, row["programId"])
        for market in vendor.markets
        for channel_id in (vendor.channel_ids if with_channels else [None])
        for row in vendor.programs(market, channel_id)
        if row["approvalStatus"] == filters.get("approval_status", row["approvalStatus"])
        and row["status"] == filters.get("program_status", row["status"])
        and row["programId"] in (filters.get("program_ids") or [row["programId"]])
    ]
    found = [(row["channel_id"], row["program_id"]) for row in output.records("programs")]
    assert found == wanted
    for stream in ("commissions", "feeds", "products"):
        assert {row["program_id"] for row in output.records(stream)} <= {each for _, each in wanted}


def test_programs_that_nobody_applied_to_are_rows_too(vendor: Adtraction) -> None:
    statuses = {row["approval_status"] for row in run_here(settings(vendor)).records("programs")}
    assert statuses == {0, 1, 2, 3}


@pytest.mark.parametrize("epi", [True, False, ...])
@pytest.mark.parametrize("ads", [True, False, ...])
def test_a_feed_s_options_are_sent_as_set(vendor: Adtraction, epi: Any, ads: Any) -> None:
    vendor.feed_sizes = (2,)
    output = run_here(settings(vendor, feed_set_epi=epi, feed_google_ads=ads))
    for request in requests_for(vendor, "feed"):
        body = request.json()
        assert {"programId", "channelId", "feedId"} <= body.keys()
        assert (body.get("setEpi", ...), body.get("gt", ...)) == (epi, ads)
    links = [row["tracking_url"] for row in output.records("products")]
    assert all(("&epi=" in link) == (epi is True) for link in links)
    assert all(("&url=" in link) == (ads is True) for link in links)


def test_a_market_or_channel_given_twice_is_read_once(vendor: Adtraction) -> None:
    vendor.feed_sizes = (2,)
    channel = vendor.channel_ids[0]
    config = settings(vendor, markets=["SE", "SE"], channel_ids=[channel, channel])
    output = run_here(config)
    assert len(requests_for(vendor, "programs")) == 1
    rows = [row for row in expected(vendor)["products"] if row["market"] == "SE"]
    wanted = [row for row in rows if row["channel_id"] == channel]
    assert len(output.records("products")) == len(wanted)


@pytest.mark.parametrize("kind", [str, lambda number: f" {number}"])
def test_ids_that_come_as_texts_are_requested_as_numbers(vendor: Adtraction, kind: Any) -> None:
    clean = run_here(settings(vendor))

    def change(body: bytes) -> bytes:
        programs = decode(body)
        for program in programs:
            program["programId"] = kind(program["programId"])
            for feed in program["feeds"]:
                feed["feedId"] = kind(feed["feedId"])
        return encode(programs).encode()

    vendor.faults.add(Fault("altered", change=change, match="/programs/", times=None))
    changed = run_here(settings(vendor))
    assert (changed.code, changed.rows("products")) == (0, clean.rows("products"))
    assert all(type(request.json()["feedId"]) is int for request in requests_for(vendor, "feed"))


@pytest.mark.parametrize(
    "broken",
    [
        "text",
        {"feeds": {"items": []}},
        {"feeds": [{"name": "a"}]},
        {"feeds": ["text"]},
        {"programId": "x", "feeds": [{"feedId": 1}]},
    ],
)
@pytest.mark.parametrize("streams", [["products"], ["programs", "feeds", "products"]])
def test_feeds_without_a_usable_id_are_one_warning_and_keep_the_bookmarks(
    vendor: Adtraction, streams: list[str], broken: Any, caplog: pytest.LogCaptureFixture
) -> None:
    config = settings(vendor)
    catalog = only(config, *streams)
    state = run_here(config, catalog=catalog).states[-1]

    def change(body: bytes) -> bytes:
        programs = decode(body)
        first = programs[0]
        programs[0] = {**first, **broken} if isinstance(broken, dict) else broken
        return encode(programs).encode()

    fault = Fault("altered", change=change, match=lambda request: b'"SE"' in request.body)
    vendor.faults.add(fault)
    output = run_here(config, catalog=catalog, state=state)
    assert caplog.text.count("programs or feeds without a usable id") == 1
    assert bookmarks(output.states[-1]) == bookmarks(state)


def test_a_feed_updated_in_the_year_1_is_downloaded(vendor: Adtraction) -> None:
    clean = run_here(settings(vendor))

    def change(body: bytes) -> bytes:
        programs = decode(body)
        for program in programs:
            for feed in program["feeds"]:
                feed["lastUpdated"] = "0001-01-01T00:00:00+14:00"
        return encode(programs).encode()

    vendor.faults.add(Fault("altered", change=change, match="/programs/", times=None))
    output = run_here(settings(vendor))
    assert output.code == 0
    assert output.rows("products").keys() == clean.rows("products").keys()


@pytest.mark.parametrize("status", [400, 200])
@pytest.mark.parametrize("room", range(170, 200, 5))
def test_a_message_that_is_cut_short_does_not_show_half_a_token(
    vendor: Adtraction, status: int, room: int
) -> None:
    token = "p@rt/n'er &t0ken"
    vendor.partner_token = token
    body = json.dumps({"status": 400, "message": "x" * room + token})
    vendor.faults.add(Fault("status", status=status, body=body, match="/programs/"))
    output = run_here(settings(vendor, client_token=..., markets=["SE"]))
    (line,) = output.stderr.splitlines()
    assert "returned 400: xxx" in line
    assert token[:3] not in line
