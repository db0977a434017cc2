from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from attribution_elt.sandbox import Fault
from attribution_elt.sandbox.adtraction import Adtraction
from attribution_elt.sandbox.adtraction.stockholm import iso
from tests.tap_process import Output, lists_in, merged
from tests.taps.tap_adtraction.helpers import (
    all_bookmarks,
    answer_with,
    bookmarks,
    matches_truth,
    only,
    requested_feeds,
    requests_for,
    run_here,
    settings,
)

GONE = "114000001:1:1"


def state_of(marks: dict[str, str]) -> dict[str, Any]:
    return {"bookmarks": {"products": {"units": marks}}}


def one_feed(vendor: Adtraction, last_updated: str | None, state: dict[str, Any]) -> Output:
    """Run with a program list of one feed, 1:1:5, last updated then."""
    feed = {"feedId": 5, "lastUpdated": last_updated}
    program = {"programId": 1, "feeds": [feed]}
    answer_with(vendor, "programs", json.dumps([program]))
    answer_with(vendor, "feed", '[{"sku":"a"}]')
    vendor.requests.clear()
    return run_here(settings(vendor, markets=["SE"], channel_ids=[1]), state=state)


def test_each_feed_has_a_bookmark(vendor: Adtraction) -> None:
    output = run_here(settings(vendor))
    assert bookmarks(output.states[-1]) == all_bookmarks(vendor)
    assert len(all_bookmarks(vendor)) == 10


def test_feeds_that_did_not_change_are_not_downloaded(vendor: Adtraction) -> None:
    first = run_here(settings(vendor))
    vendor.requests.clear()
    second = run_here(settings(vendor), state=first.states[-1])
    assert requests_for(vendor, "feed") == []
    assert second.records("products") == []
    assert second.states[-1] == first.states[-1]
    assert matches_truth(vendor, first, second)


@pytest.mark.parametrize("setting", ["feed_set_epi", "feed_google_ads"])
def test_other_links_download_every_feed_again(vendor: Adtraction, setting: str) -> None:
    first = run_here(settings(vendor))
    vendor.requests.clear()
    run_here(settings(vendor, **{setting: True}), state=first.states[-1])
    assert len(requests_for(vendor, "feed")) == len(all_bookmarks(vendor))


def test_one_changed_feed_is_the_only_one_downloaded(vendor: Adtraction) -> None:
    first = run_here(settings(vendor))
    vendor.change_feed(1_000_030, gone=0, new=2)
    vendor.requests.clear()
    second = run_here(settings(vendor), state=first.states[-1])
    assert requested_feeds(vendor) == ["114000001:700000003:1000030"]
    assert matches_truth(vendor, first, second)
    assert bookmarks(second.states[-1]) == all_bookmarks(vendor)


def test_after_weeks_a_warehouse_has_every_product_that_existed(vendor: Adtraction) -> None:
    outputs: list[Output] = []
    state: dict[str, Any] = {}
    for days in (0, 1, 5, 14):
        vendor.clock.advance(days)
        outputs.append(run_here(settings(vendor), state=state))
        state = merged(state, *outputs[-1].states)
        assert bookmarks(outputs[-1].states[-1]) == all_bookmarks(vendor)
    held: dict[Any, Any] = {}
    for output in outputs:
        held |= output.rows("products")
    fresh = run_here(settings(vendor)).rows("products")
    assert fresh.items() <= held.items()


@pytest.mark.parametrize(
    ("bookmark", "read"),
    [
        ("2026-01-01T09:00:00Z", True),
        ("2026-01-01T10:00:00Z", False),
        ("2026-01-01T10:00:00+00:00", False),
        ("2026-01-01T11:30:00+02:00", True),
        ("2026-01-01T12:00:00.000+02:00", False),
        ("2026-01-01T10:00:01Z", False),
    ],
)
def test_a_bookmark_is_compared_as_an_instant(
    vendor: Adtraction, bookmark: str, *, read: bool
) -> None:
    output = one_feed(vendor, "2026-01-01T11:00:00+0100", state_of({"1:1:5": bookmark}))
    assert bool(requests_for(vendor, "feed")) == read
    assert bookmarks(output.states[-1])["1:1:5"] == ("2026-01-01T10:00:00Z" if read else bookmark)


def test_a_feed_bookmark_is_never_later_than_now(vendor: Adtraction) -> None:
    ahead = datetime.now(UTC) + timedelta(minutes=90)
    output = one_feed(vendor, iso(ahead), {})
    mark = bookmarks(output.states[-1])["1:1:5"]
    assert datetime.now(UTC) - timedelta(minutes=1) < datetime.fromisoformat(mark)
    assert datetime.fromisoformat(mark) <= datetime.now(UTC)
    one_feed(vendor, iso(ahead), output.states[-1])
    assert len(requests_for(vendor, "feed")) == 1


def test_a_feed_bookmark_never_decreases(vendor: Adtraction) -> None:
    mark = "2026-02-01T10:00:00Z"
    output = one_feed(vendor, "2026-01-31T11:00:00+0100", state_of({"1:1:5": mark}))
    assert bookmarks(output.states[-1]) == {"1:1:5": mark}
    assert requests_for(vendor, "feed") == []


@pytest.mark.parametrize("last_updated", [None, "", "soon"])
def test_a_feed_of_unknown_age_is_always_downloaded(
    vendor: Adtraction, last_updated: str | None
) -> None:
    mark = {"1:1:5": "2026-02-01T10:00:00Z"}
    output = one_feed(vendor, last_updated, state_of(mark))
    assert len(requests_for(vendor, "feed")) == 1
    assert bookmarks(output.states[-1]) == mark


def test_the_bookmark_of_a_withdrawn_feed_is_removed(vendor: Adtraction) -> None:
    state = state_of({GONE: "2026-01-01T00:00:00Z"})
    output = run_here(settings(vendor), state=state)
    assert bookmarks(output.states[-1]) == all_bookmarks(vendor)


def test_no_bookmark_is_removed_while_a_program_list_is_missing(vendor: Adtraction) -> None:
    first = run_here(settings(vendor))
    state = merged(first.states[-1], state_of({GONE: "2026-01-01T00:00:00Z"}))
    vendor.faults.add(Fault("status", status=500, times=3, match="/programs/"))
    vendor.requests.clear()
    second = run_here(settings(vendor, max_concurrent_requests=1), state=state)
    assert second.code == 1
    assert bookmarks(second.states[-1]) == bookmarks(state)
    assert requests_for(vendor, "feed") == []


def test_a_run_without_products_removes_no_bookmark(vendor: Adtraction) -> None:
    config = settings(vendor)
    state = state_of({GONE: "2026-01-01T00:00:00Z"})
    output = run_here(config, state=state, catalog=only(config, "channels"))
    assert bookmarks(output.states[-1]) == bookmarks(state)


def test_states_are_small_and_without_lists(vendor: Adtraction) -> None:
    first = run_here(settings(vendor))
    second = run_here(settings(vendor), state=first.states[-1])
    third = run_here(settings(vendor), state=second.states[-1])
    states = [*first.states, *second.states, *third.states]
    assert not any(map(lists_in, states))
    assert third.states[-1] == second.states[-1]
    programs = len(vendor.markets) * len(vendor.channel_ids) * vendor.programs_per_market
    size = 700 + 60 * len(all_bookmarks(vendor)) + 24 * programs
    assert len(json.dumps(first.states[-1])) < size


def test_states_survive_meltano_s_merge_in_any_grouping(vendor: Adtraction) -> None:
    states = run_here(settings(vendor)).states
    for upto in range(1, len(states)):
        assert bookmarks(merged(*states[:upto])) == bookmarks(states[upto - 1])
    assert merged(merged(*states[:5]), merged(*states[5:])) == merged(*states)


def test_a_state_never_runs_ahead_of_the_records(vendor: Adtraction) -> None:
    output = run_here(settings(vendor))
    sizes = {
        f"{row['channel_id']}:{row['program_id']}:{row['feed_id']}": row["number_of_products"]
        for row in output.records("feeds")
    }
    emitted = dict.fromkeys(sizes, 0)
    before: dict[str, str] = {}
    for message in output.messages:
        if message["type"] == "RECORD" and message["stream"] == "products":
            row = message["record"]
            emitted[f"{row['channel_id']}:{row['program_id']}:{row['feed_id']}"] += 1
        elif message["type"] == "STATE":
            marks = bookmarks(message["value"])
            assert before.items() <= marks.items()
            assert all(emitted[name] == sizes[name] for name in marks)
            before = marks
    assert before.keys() == sizes.keys()


def test_a_feed_listed_in_two_markets_is_read_once(vendor: Adtraction) -> None:
    feed = {"feedId": 5, "lastUpdated": "2026-01-01T00:00:00Z"}
    answer_with(vendor, "programs", json.dumps([{"programId": 1, "feeds": [feed]}]), times=2)
    answer_with(vendor, "feed", '[{"sku":"a"}]', times=None)
    output = run_here(settings(vendor, markets=["SE", "NO"], channel_ids=[1]))
    assert len(requests_for(vendor, "feed")) == 1
    assert len(output.records("products")) == 1


def test_a_state_in_an_older_format_is_accepted(
    vendor: Adtraction, caplog: pytest.LogCaptureFixture
) -> None:
    state = {"bookmarks": {"products": {"replication_key_value": "2020-01-01"}, "old": {}}}
    output = run_here(settings(vendor), state=state)
    assert matches_truth(vendor, output)
    assert not [each for each in caplog.records if each.levelno >= logging.ERROR]
