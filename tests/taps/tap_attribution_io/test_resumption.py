"""An interrupted run resumes at the place where it stopped."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from attribution_elt.sandbox import Sandbox
from attribution_elt.sandbox.attribution_io import AttributionIo
from tests.tap_process import Output, lists_in, merged
from tests.taps.tap_attribution_io.helpers import (
    KEYS,
    killed,
    matches_truth,
    only,
    progress,
    requested_ids,
    run_here,
    settings,
)

IN_FLIGHT = 16
"""Customers that may have been requested ahead of the output: two for each worker."""


def cut(output: Output, lines: int) -> Output:
    return Output(b"".join(output.stdout.splitlines(keepends=True)[:lines]), code=-9)


def test_interrupted_anywhere_no_customer_is_requested_twice(vendor: AttributionIo) -> None:
    vendor.customer_count = 6
    config = settings(vendor)
    whole = run_here(config)
    order = [row["client_id"] for row in whole.records("customers")]
    ends = [n for n, message in enumerate(whole.messages, 1) if message["type"] == "STATE"]
    for done, end in enumerate(ends[:-3], 1):
        for lines in (end, end + 2):  # right after a state, and with a customer half written
            interrupted = cut(whole, lines)
            vendor.requests.clear()
            rest = run_here(config, state=merged(*interrupted.states))
            assert sorted(requested_ids(vendor)) == sorted(order[done:])
            assert matches_truth(vendor, interrupted, rest)
            assert progress(rest.states[-1])["after"] == ""
            assert progress(rest.states[-1])["completed"]


def test_300_customers_and_a_kill_in_the_middle(sandbox: Sandbox, tmp_path: Path) -> None:
    vendor = sandbox.attribution_io
    vendor.customer_count = 300
    vendor.pageviews_per_visit = 1
    config = settings(vendor)
    catalog = only(config, "customers")
    states = iter(range(10**6))
    first = killed(
        tmp_path,
        after=lambda line: b'"STATE"' in line and next(states) == 100,
        config=config,
        catalog=catalog,
    )
    assert first.code == -9
    before = requested_ids(vendor)
    done = {row["client_id"] for row in first.records("customers")}
    assert 100 <= len(done) < 290
    assert len(set(before)) == len(before) <= len(done) + IN_FLIGHT

    vendor.requests.clear()
    second = run_here(config, state=first.states[-1], catalog=catalog)
    after = requested_ids(vendor)
    assert len(set(after)) == len(after)
    assert set(before) | set(after) == set(vendor.client_ids)
    assert len(set(before) & set(after)) <= IN_FLIGHT
    twice = {row["client_id"] for row in second.records("customers")} & done
    assert len(twice) <= 1, "the last may have been written, but not yet its state"
    assert matches_truth(vendor, first, second, streams=["customers"])


def test_a_state_is_small_and_has_no_client_id(vendor: AttributionIo) -> None:
    vendor.customer_count = 50
    output = run_here(settings(vendor))
    assert len(output.states) > 50
    for state in output.states:
        text = json.dumps(state, ensure_ascii=False)
        assert len(text) < 5000
        assert not lists_in(state)
        assert not any(id_ in text for id_ in vendor.client_ids if len(id_) > 3)
    assert len(json.dumps(output.states[-1])) < 2500


def test_no_state_runs_ahead_of_the_records(vendor: AttributionIo) -> None:
    output = run_here(settings(vendor))
    seen: list[str] = []
    places: list[tuple[str, int]] = []
    for message in output.messages:
        if message["type"] == "RECORD" and message["stream"] == "customers":
            seen.append(message["record"]["client_id"])
        elif message["type"] == "STATE" and (place := progress(message["value"]).get("after")):
            places.append((place, len(seen)))
    assert places == sorted(places)
    assert [count for _, count in places] == [*range(1, 28)]


def test_the_list_may_change_in_between(vendor: AttributionIo) -> None:
    ids = vendor.client_ids
    whole = run_here(settings(vendor))
    order = [row["client_id"] for row in whole.records("customers")]
    halfway = next(
        state for state in whole.states if progress(state).get("after", "")[:1] in set("789abc")
    )
    for each in halfway["bookmarks"].values():
        each["started"] = "2020-01-01T00:00:00Z"
    done = order[: whole.states.index(halfway)]
    gone = order[-1]
    new = [f"new-{number}" for number in range(20)]
    vendor.requests.clear()
    rest = run_here(settings(vendor, customer_ids=[*ids, *new]), state=halfway)
    assert not set(requested_ids(vendor)) & set(done) - {done[-1]}
    assert 0 < len(set(requested_ids(vendor)) & set(new)) < 20
    state = progress(rest.states[-1])
    assert state["completed"] == "2020-01-01T00:00:00Z", "what is new since is for the next run"

    vendor.requests.clear()
    shorter = [id_ for id_ in ids if id_ != gone]
    run_here(settings(vendor, customer_ids=shorter), state=halfway)
    assert gone not in requested_ids(vendor)
    vendor.requests.clear()
    run_here(settings(vendor, customer_ids=[*ids, *new]), state=rest.states[-1])
    assert sorted(requested_ids(vendor)) == sorted([*ids, *new])


def test_a_stream_that_is_newly_selected_starts_over_with_all(vendor: AttributionIo) -> None:
    config = settings(vendor)
    run_of_one = run_here(config, catalog=only(config, "customers"))
    halfway = run_of_one.states[10]
    assert progress(halfway)["after"]
    vendor.requests.clear()
    assert matches_truth(vendor, run_here(config, state=halfway))
    assert sorted(requested_ids(vendor)) == sorted(vendor.client_ids)


def test_a_resumed_run_does_not_repeat_unknown_customers(vendor: AttributionIo) -> None:
    ids = [f"nobody-{number}" for number in range(30)]
    config = settings(vendor, customer_ids=ids)
    whole = run_here(config)
    vendor.requests.clear()
    run_here(config, state=whole.states[20])
    assert len(requested_ids(vendor)) <= 11


@pytest.mark.parametrize(
    "state", [{}, {"after": "", "started": "", "incomplete": False}, {"old": 1}]
)
def test_a_run_from_the_state_of_a_complete_run_reads_everything(
    vendor: AttributionIo, state: Any
) -> None:
    output = run_here(settings(vendor), state={"bookmarks": dict.fromkeys(KEYS, state)})
    assert matches_truth(vendor, output)


def test_with_another_secret_an_interrupted_run_starts_over(vendor: AttributionIo) -> None:
    halfway = run_here(settings(vendor)).states[10]
    vendor.requests.clear()
    vendor.secret = "another secret"
    assert matches_truth(vendor, run_here(settings(vendor), state=halfway))
    assert sorted(requested_ids(vendor)) == sorted(vendor.client_ids)


def test_the_state_does_not_contain_an_unkeyed_hash_of_an_id(vendor: AttributionIo) -> None:
    id_ = "jane@example.com"
    output = run_here(settings(vendor, customer_ids=[id_]))
    assert hashlib.sha256(id_.encode()).hexdigest()[:12] not in json.dumps(output.states)
