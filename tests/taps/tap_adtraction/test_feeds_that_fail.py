from __future__ import annotations

from dataclasses import replace

import pytest

from attribution_elt.sandbox import Fault
from attribution_elt.sandbox.adtraction import Adtraction
from tests.taps.tap_adtraction.helpers import (
    all_bookmarks,
    bookmarks,
    feed_requests,
    matches_truth,
    requested_feeds,
    requests_for,
    run_here,
    settings,
)

FEED = 1_000_011  # a feed with 40 products
NAME = "114000001:700000001:1000011"
LAST = 2_000_030  # comes last of all

TRANSIENT = {
    "truncated": Fault("truncate"),
    "truncated without chunks": Fault("truncate", chunked=False),
    "truncated before the first byte": Fault("truncate", after=0),
    "reset": Fault("reset"),
    "closed": Fault("close"),
    "half of it, as if it were all": Fault("invalid_json"),
    "an HTML page": Fault("html"),
    "a stall": Fault("stall", delay=0.6),
    "no first byte": Fault("slow", delay=0.6),
    "429": Fault("status", status=429, retry_after=0.1),
    "500": Fault("status", status=500),
    "503 with Retry-After": Fault("status", status=503, retry_after=0.1),
    "an empty answer": Fault("status", status=200, body=""),
    "null": Fault("status", status=200, body="null"),
    "another object": Fault("status", status=200, body='{"productName":"x"}'),
}


@pytest.mark.parametrize("fault", TRANSIENT.values(), ids=TRANSIENT)
def test_a_feed_that_fails_once_is_fetched_again_and_no_record_comes_twice(
    vendor: Adtraction, fault: Fault
) -> None:
    vendor.faults.add(replace(fault, match=feed_requests(FEED), times=1))
    output = run_here(settings(vendor, request_timeout=0.3))
    assert output.code == 0
    assert matches_truth(vendor, output)
    assert len(output.records("products")) == len(vendor.truth()["products"])
    assert requested_feeds(vendor).count(NAME) == 2


FOR_GOOD = {
    "truncated": (Fault("truncate", after=9_000), 3),
    "reset": (Fault("reset"), 3),
    "an HTML page": (Fault("html"), 3),
    "500": (Fault("status", status=500), 3),
    "404": (Fault("status", status=404), 1),
    "400": (Fault("status", status=400, body='{"message":"no such feed"}'), 1),
    "404 inside a 200": (Fault("status", status=200, body='{"status":404,"message":"no"}'), 1),
}


@pytest.mark.parametrize(("fault", "tries"), FOR_GOOD.values(), ids=FOR_GOOD)
def test_a_feed_that_fails_permanently_is_read_completely_by_the_next_run(
    vendor: Adtraction, fault: Fault, tries: int
) -> None:
    feed_id = LAST if fault.kind == "truncate" else FEED
    vendor.faults.add(replace(fault, match=feed_requests(feed_id), times=None))
    first = run_here(settings(vendor))
    assert first.code == 1
    (line,) = first.stderr.splitlines()
    for word in ("Adtraction", f"feed {feed_id}", "program 7", "channel 114000001"):
        assert word in line
    assert not any(row["feed_id"] == feed_id for row in first.records("products"))
    assert matches_truth(vendor, first, streams={"programs", "commissions", "feeds", "channels"})
    missing = [name for name in all_bookmarks(vendor) if name.endswith(str(feed_id))]
    kept = {name: mark for name, mark in all_bookmarks(vendor).items() if name not in missing}
    assert bookmarks(first.states[-1]) == kept
    assert requested_feeds(vendor).count(missing[0]) == tries

    vendor.faults.clear()
    vendor.requests.clear()
    second = run_here(settings(vendor), state=first.states[-1])
    assert second.code == 0
    assert requested_feeds(vendor) == missing
    assert matches_truth(vendor, first, second)
    assert bookmarks(second.states[-1]) == all_bookmarks(vendor)


def test_the_bookmark_of_an_earlier_run_stays_too(vendor: Adtraction) -> None:
    first = run_here(settings(vendor))
    vendor.change_feed(FEED)
    vendor.faults.add(Fault("truncate", times=None, match=feed_requests(FEED)))
    second = run_here(settings(vendor), state=first.states[-1])
    assert second.code == 1
    assert bookmarks(second.states[-1]) == bookmarks(first.states[-1])


def test_a_count_that_differs_fails_the_feed_without_a_retry(vendor: Adtraction) -> None:
    vendor.miscounted_feeds.add(FEED)
    first = run_here(settings(vendor))
    assert first.code == 1
    (line,) = first.stderr.splitlines()
    assert f"feed {FEED}" in line
    assert "40 rows arrived, but the header `count` is 41" in line
    assert requested_feeds(vendor).count(NAME) == 1
    assert not any(row["feed_id"] == FEED for row in first.records("products"))
    assert NAME not in bookmarks(first.states[-1])
    vendor.miscounted_feeds.clear()
    assert matches_truth(vendor, first, run_here(settings(vendor), state=first.states[-1]))


def test_a_slow_but_steady_feed_is_read(vendor: Adtraction) -> None:
    vendor.faults.add(Fault("drip", delay=0.05, match=feed_requests(FEED)))
    assert matches_truth(vendor, run_here(settings(vendor, request_timeout=0.3)))
    assert requested_feeds(vendor).count(NAME) == 1


def test_a_failed_program_list_does_not_affect_the_others(vendor: Adtraction) -> None:
    vendor.feed_sizes = (5,)
    match = "/programs/"
    vendor.faults.add(Fault("status", status=404, match=match))
    first = run_here(settings(vendor, max_concurrent_requests=1))
    assert first.code == 1
    assert "market SE, channel 114000001: returned 404" in first.stderr
    assert len(requests_for(vendor, "programs")) == 4
    rows = {(row["market"], row["channel_id"]) for row in first.records("programs")}
    assert len(rows) == 3
    assert first.records("channels")
    assert first.records("products")
    second = run_here(settings(vendor), state=first.states[-1])
    assert matches_truth(vendor, first, second)


def test_several_failed_feeds_do_not_affect_each_other(vendor: Adtraction) -> None:
    for feed_id in (1_000_000, FEED, 2_000_010, LAST):
        vendor.faults.add(Fault("truncate", times=None, match=feed_requests(feed_id)))
    first = run_here(settings(vendor))
    assert first.code == 1
    failed = len(all_bookmarks(vendor)) - len(bookmarks(first.states[-1]))
    assert len(first.stderr.splitlines()) == failed == 5
    vendor.faults.clear()
    assert matches_truth(vendor, first, run_here(settings(vendor), state=first.states[-1]))
