from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import requests

from attribution_elt.sandbox import Fault, Sandbox
from attribution_elt.sandbox.adtraction.stockholm import header
from attribution_elt.sandbox.exact_json import decode

FEED_ID = 1000000  # of the first program in SE, which all channels may use
PROGRAM_ID = 700000000


def feed(sandbox: Sandbox, **body: Any) -> requests.Response:
    asked: dict[str, Any] = {
        "programId": PROGRAM_ID,
        "channelId": sandbox.adtraction.channel_ids[0],
        "feedId": FEED_ID,
    }
    return requests.post(
        f"{sandbox.adtraction.url}/partner/products/feed/",
        json=asked | body,
        headers={"X-Token": sandbox.adtraction.partner_token},
        timeout=10,
    )


def program_with_two_feeds(sandbox: Sandbox) -> tuple[int, dict[str, Any]]:
    return next(
        (channel_id, program)
        for market in sandbox.adtraction.markets
        for channel_id in sandbox.adtraction.channel_ids
        for program in sandbox.adtraction.programs(market, channel_id)
        if len(program["feeds"]) == 2
    )


@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize("size", [1, 25, 64, 700])
def test_feed(sandbox: Sandbox, size: int, chunked: bool) -> None:
    sandbox.adtraction.feed_sizes = (size,)
    sandbox.adtraction.chunked_feeds = chunked
    made = sandbox.adtraction.feeds()[FEED_ID]
    answer = feed(sandbox)
    rows = decode(answer.content)
    assert rows == sandbox.adtraction.products(FEED_ID, sandbox.adtraction.channel_ids[0])
    assert answer.headers["count"] == str(len(rows)) == str(made.size)
    assert answer.headers["feed_lastupdated"] == header(made.updated)
    assert ("Content-Length" in answer.headers) != chunked
    assert 900 < len(answer.content) / len(rows) < 1100


def test_products_have_defects_of_real_feeds(sandbox: Sandbox) -> None:
    sandbox.adtraction.feed_sizes = (300,)
    rows = decode(feed(sandbox).content)
    skus = Counter(row.get("sku", "missing") for row in rows)
    assert min(skus["missing"], skus[""], skus[None]) >= 4
    assert any(count > 1 for sku, count in skus.items() if sku not in {"missing", "", None})
    blank = Counter(row["productUrl"] for row in rows if row.get("sku") == "")
    assert set(blank.values()) == {1, 2}
    assert all(isinstance(row["productPrice"], str) for row in rows)
    assert all(not isinstance(row.get("oldPrice", 1), str) for row in rows)
    assert any("oldPrice" not in row for row in rows)
    assert any(row["productName"].startswith('Dörrmatta "') for row in rows)
    assert all(row["programId"] != PROGRAM_ID for row in rows)


def test_tracking_urls(sandbox: Sandbox) -> None:
    plain, epi, google = (
        feed(sandbox, **options).json()[0] for options in ({}, {"setEpi": True}, {"gt": True})
    )
    assert "&epi=" not in plain["trackingUrl"]
    assert epi["trackingUrl"].startswith(f"{plain['trackingUrl']}&epi=")
    assert google["trackingUrl"].startswith(f"{plain['trackingUrl']}&url=https%3A%2F%2F")


def test_all_feeds_of_a_program(sandbox: Sandbox) -> None:
    channel_id, program = program_with_two_feeds(sandbox)
    asked = {"programId": program["programId"], "channelId": channel_id, "feedId": 0}
    one_by_one = [
        row
        for each in program["feeds"]
        for row in sandbox.adtraction.products(each["feedId"], channel_id)
    ]
    assert feed(sandbox, **asked).json() == {"status": 200, "message": "No products found."}
    del asked["feedId"]
    answer = requests.post(
        f"{sandbox.adtraction.url}/partner/products/feed/",
        json=asked,
        headers={"X-Token": sandbox.adtraction.partner_token},
        timeout=10,
    )
    assert decode(answer.content) == one_by_one
    assert answer.headers["count"] == str(len(one_by_one))


def test_feed_info(sandbox: Sandbox) -> None:
    channel_id, program = program_with_two_feeds(sandbox)
    answer = requests.get(
        f"{sandbox.adtraction.url}/partner/products/feedinfo/{program['programId']}/{channel_id}/",
        headers={"X-Token": sandbox.adtraction.partner_token},
        timeout=10,
    )
    assert answer.json() == [each | {"approvalStatus": 1} for each in program["feeds"]]


def test_unknown_feeds_are_empty(sandbox: Sandbox) -> None:
    nothing = {"status": 200, "message": "No products found."}
    assert feed(sandbox, programId=4711).json() == nothing
    assert feed(sandbox, channelId=4711).json() == nothing


def test_empty_feed(sandbox: Sandbox) -> None:
    sandbox.adtraction.feed_sizes = (0,)
    assert feed(sandbox).json() == {"status": 200, "message": "No products found."}


@pytest.mark.parametrize("body", [{"programId": None}, {"setEpi": "true"}, {"gt": 1}])
def test_bad_body(sandbox: Sandbox, body: dict[str, Any]) -> None:
    assert feed(sandbox, **body).status_code == 400


def test_feeds_change(sandbox: Sandbox) -> None:
    channel_id = sandbox.adtraction.channel_ids[0]
    before = {row["ean"]: row for row in sandbox.adtraction.products(FEED_ID, channel_id)}
    updated = sandbox.adtraction.feeds()[FEED_ID].updated
    sandbox.adtraction.change_feed(FEED_ID, gone=2, new=3)
    after = {row["ean"]: row for row in sandbox.adtraction.products(FEED_ID, channel_id)}
    assert len(before.keys() - after.keys()) == 2
    assert len(after.keys() - before.keys()) == 3
    assert any(before[ean] != after[ean] for ean in before.keys() & after.keys())
    assert sandbox.adtraction.feeds()[FEED_ID].updated > updated


def test_only_some_feeds_change_with_time(sandbox: Sandbox) -> None:
    before = {key: each.updated for key, each in sandbox.adtraction.feeds().items()}
    sandbox.advance(days=2)
    after = {key: each.updated for key, each in sandbox.adtraction.feeds().items()}
    changed = [key for key, updated in before.items() if after[key] > updated]
    assert 0 < len(changed) < len(before)


def test_count_may_be_wrong(sandbox: Sandbox) -> None:
    sandbox.adtraction.miscounted_feeds = {FEED_ID}
    answer = feed(sandbox)
    assert int(answer.headers["count"]) == len(answer.json()) + 1


@pytest.mark.parametrize("chunked", [True, False])
def test_feed_is_truncated(sandbox: Sandbox, chunked: bool) -> None:
    sandbox.adtraction.feed_sizes = (700,)
    sandbox.adtraction.faults.add(
        Fault("truncate", chunked=chunked, match=lambda request: request.json()["feedId"])
    )
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        feed(sandbox)
    assert len(feed(sandbox).json()) == sandbox.adtraction.feeds()[FEED_ID].size
