"""Lists that come in pages, or in an envelope with their count."""

from __future__ import annotations

import json
from typing import Any

import pytest

from attribution_elt.sandbox import Fault
from attribution_elt.sandbox.adtraction import Adtraction
from tests.taps.tap_adtraction.helpers import (
    answer_with,
    matches_truth,
    requests_for,
    run_here,
    settings,
)

ONE = {"markets": ["SE"], "channel_ids": [1]}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ('{"count":9,"data":[]}', "0 rows arrived, but `count` is 9"),
        ('{"count":90,"pageSize":50,"page":0,"data":[]}', "0 rows arrived, but `count` is 90"),
        ('{"count":2,"data":[{"programId":1}]}', "1 rows arrived, but `count` is 2"),
        ('{"count":1e3,"pageSize":1,"data":[{"programId":1}]}', None),
        (
            '{"count":1000000000000000,"pageSize":1,"data":[{"programId":1}]}',
            "1000000000000000 pages are announced, more than the maximum of 10000",
        ),
    ],
)
def test_an_envelope_with_fewer_rows_than_its_count_is_a_failed_list(
    vendor: Adtraction, body: str, reason: str | None
) -> None:
    answer_with(vendor, "programs", body)
    output = run_here(settings(vendor, **ONE))
    if reason is None:
        assert output.code == 0
    else:
        assert output.code == 1
        assert reason in output.stderr
    assert len(requests_for(vendor, "programs")) == 1


def test_rows_of_a_page_are_written_before_the_next_page_is_requested(vendor: Adtraction) -> None:
    page = json.dumps({"count": 4, "pageSize": 2, "data": [{"channelId": 1}, {"channelId": 2}]})
    answer_with(vendor, "channels", page)
    vendor.faults.add(Fault("status", status=404, times=None, match="/channels/"))
    output = run_here(settings(vendor, partner_token=...))
    assert output.code == 1
    assert [row["channel_id"] for row in output.records("channels")] == [1, 2]


@pytest.mark.parametrize("name", ["data", "programs"])
def test_an_envelope_without_paging_is_read_once(vendor: Adtraction, name: str) -> None:
    answer_with(vendor, "programs", json.dumps({"count": 1, name: [{"programId": 1}]}))
    output = run_here(settings(vendor, **ONE))
    assert [row["program_id"] for row in output.records("programs")] == [1]
    assert len(requests_for(vendor, "programs")) == 1


@pytest.mark.parametrize("size", [1, 2, 5, 6])
def test_pages_are_read_to_the_last(vendor: Adtraction, size: int) -> None:
    vendor.page_size = size
    vendor.feed_sizes = (4,)
    output = run_here(settings(vendor))
    assert matches_truth(vendor, output)
    pages = -(-5 // size)
    bodies = [request.json() for request in requests_for(vendor, "programs")]
    assert len(bodies) == 4 * pages
    assert {body.get("page", 0) for body in bodies} == set(range(pages))
    assert all({"market", "channelId"} <= body.keys() for body in bodies)


@pytest.mark.parametrize(
    ("path", "stream", "name"), [("feed", "products", "sku"), ("channels", "channels", "channelId")]
)
@pytest.mark.parametrize("as_text", [False, True])
def test_feeds_and_channels_may_be_paged_too(
    vendor: Adtraction, path: str, stream: str, name: str, *, as_text: bool
) -> None:
    for page, rows in enumerate(([1, 2], [3, 4], [5])):
        envelope: dict[str, Any] = {"count": 5, "pageSize": 2, "page": page}
        if as_text:
            envelope = {name: str(value) for name, value in envelope.items()}
        answer_with(vendor, path, json.dumps({**envelope, "data": [{name: row} for row in rows]}))
    output = run_here(settings(vendor, markets=["SE"], channel_ids=[1175982945]))
    assert output.code == 0
    key = "product_key" if stream == "products" else "channel_id"
    assert [int(row[key]) for row in output.records(stream)] == [1, 2, 3, 4, 5]
    assert [request.json().get("page") for request in requests_for(vendor, path)] == [None, 1, 2]


def test_endpoints_without_a_body_may_be_paged_too(vendor: Adtraction) -> None:
    for page, rows in enumerate(([1, 2], [3])):
        feeds = [{"feedId": row, "numberOfProducts": 0} for row in rows]
        envelope = {"count": 3, "pageSize": 2, "page": page, "feeds": feeds}
        answer_with(vendor, "feedinfo", json.dumps(envelope))
    program = json.dumps([{"programId": 7, "commissions": []}])
    answer_with(vendor, "programs", program)
    output = run_here(settings(vendor, **ONE, client_token=..., feed_info=True))
    assert [row["feed_id"] for row in output.records("feeds")] == [1, 2, 3]
    requests = [each.query for each in vendor.requests if "/feedinfo/" in each.path]
    assert requests == [{}, {"page": ["1"]}]


@pytest.mark.parametrize("now", [4, 2])
def test_a_count_that_changes_between_two_pages_is_a_failed_list(
    vendor: Adtraction, now: int
) -> None:
    for count, rows in ((3, [1, 2]), (now, [3])):
        channels = [{"channelId": row} for row in rows]
        answer_with(
            vendor, "channels", json.dumps({"count": count, "pageSize": 2, "data": channels})
        )
    output = run_here(settings(vendor, partner_token=...))
    assert output.code == 1
    assert f"`count` changed from 3 to {now} between two pages" in output.stderr
    assert not any(each.get("delivered") for each in output.of("STATE"))
