"""A state remembers enough to send nothing twice and to lose nothing, and no more."""

from __future__ import annotations

import itertools
import json
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tap_ihc import computed
from tap_ihc import readers as streams
from tap_ihc.tap import TapIhc

from attribution_elt.sandbox.ihc import Ihc, value_null
from tests.tap_process import Output, Row, Rows, lists_in, merged, selected
from tests.taps.tap_ihc.helpers import (
    as_emitted,
    bookmark,
    by_conversion,
    converted,
    expected,
    file_of,
    forget,
    matches_truth,
    progress,
    run_here,
    sent,
    settings,
    short,
    table_of,
)

PARAMETER = {
    "closer": {
        "direction": "earlier_sessions_only",
        "receive_threshold": 0,
        "redistribution_channel_labels": ["Email"],
    }
}
SINCE = (
    "SELECT * FROM session WHERE conversion_id IN "
    "(SELECT conversion_id FROM session WHERE conversion = 1 AND timestamp > :since)"
)


@pytest.fixture
def rows() -> list[Row]:
    """Journeys of two months."""
    return short(200)


def compute(vendor: Ihc, tmp_path: Path, rows: list[Row], **more: Any) -> Output:
    given = {name: more.pop(name) for name in ("state", "catalog") if name in more}
    return run_here(settings(vendor, file_of(tmp_path / "j.jsonl", rows), **more), **given)


def ordered(rows: list[Row]) -> list[str]:
    """Return conversions in the order of time."""
    journeys = by_conversion(rows)
    return sorted(journeys, key=lambda each: converted(journeys[each]))


def plain(rows: list[Row]) -> list[Row]:
    """Return the same sessions with timestamps that a database compares as texts."""
    return [
        {**row, "timestamp": as_emitted(row["timestamp"]).replace("T", " ")[:19]} for row in rows
    ]


def test_a_second_run_sends_nothing(vendor: Ihc, tmp_path: Path, rows: list[Row]) -> None:
    first = compute(vendor, tmp_path, rows)
    forget(vendor)
    random.Random(5).shuffle(rows)
    second = compute(vendor, tmp_path, rows, state=first.states[-1])
    assert (second.code, second.of("RECORD"), sent(vendor)) == (0, [], [])
    assert second.states[-1] == first.states[-1]


def test_a_run_without_journeys_leaves_no_bookmark(vendor: Ihc, tmp_path: Path) -> None:
    assert bookmark(compute(vendor, tmp_path, []).states[-1]) == ""


def test_the_same_journeys_from_another_source_are_not_sent_again(
    vendor: Ihc, tmp_path: Path, rows: list[Row]
) -> None:
    first = compute(vendor, tmp_path, rows)
    forget(vendor)
    path = file_of(tmp_path / "j.csv", rows)
    other = run_here(settings(vendor, path), state=first.states[-1])
    noted = [
        {**row, "note": "of no matter", "timestamp": as_emitted(row["timestamp"])} for row in rows
    ]
    third = compute(vendor, tmp_path, noted, state=other.states[-1])
    assert (other.code, third.code, sent(vendor)) == (0, 0, [])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("timestamp", "2025-12-31 23:59:59"),
        ("channel_label", "another"),
        ("holder_engagement", None),
        ("impression_interaction", None),
        ("session_id", "another"),
    ],
)
def test_a_journey_that_changed_is_sent_and_no_other(
    vendor: Ihc, tmp_path: Path, rows: list[Row], name: str, value: str | None
) -> None:
    rows = plain(rows)
    first = compute(vendor, tmp_path, rows)
    changed = rows[120]
    changed[name] = 1 - changed[name] if value is None else value
    forget(vendor)
    second = compute(vendor, tmp_path, rows, state=first.states[-1])
    assert sent(vendor) == [{changed["conversion_id"]}]
    truth = expected(vendor, by_conversion(rows)[changed["conversion_id"]])
    assert matches_truth(second.rows("attributions"), truth)


def test_a_journey_that_changed_back_is_sent_again(
    vendor: Ihc, tmp_path: Path, rows: list[Row]
) -> None:
    state: dict[str, Any] = {}
    held: Rows = {}
    original = rows[31]["channel_label"]
    for label in (original, "another", original):
        forget(vendor)
        rows[31]["channel_label"] = label
        output = compute(vendor, tmp_path, rows, state=state)
        held |= output.rows("attributions")
        state = output.states[-1]
        assert matches_truth(held, expected(vendor, rows))
    assert sent(vendor) == [{rows[31]["conversion_id"]}]


def test_a_session_more_or_less_is_a_change(vendor: Ihc, tmp_path: Path, rows: list[Row]) -> None:
    first = compute(vendor, tmp_path, rows)
    forget(vendor)
    extra = {**rows[3], "session_id": "another", "conversion": 0}
    compute(vendor, tmp_path, [extra, *rows[1:]], state=first.states[-1])
    assert sent(vendor) == [{rows[0]["conversion_id"], rows[3]["conversion_id"]}]


@pytest.mark.parametrize(
    "change", [{"conv_type_id": "returning_customers"}, {"redistribution_parameter": PARAMETER}]
)
def test_after_other_parameters_all_journeys_are_computed_again(
    vendor: Ihc, tmp_path: Path, rows: list[Row], change: dict[str, Any]
) -> None:
    rows = plain(rows)
    url = table_of(tmp_path / "shop.db", rows)
    config = settings(vendor, None, journeys_url=url, journeys_query=SINCE)
    output = run_here(config)
    forget(vendor)
    held: Rows = {}
    for _ in range(3):
        state = output.states[-1]
        output = run_here({**config, **change, "max_requests_per_run": 1}, state=state)
        held |= output.rows("attributions")
        assert bookmark(output.states[-1]) == bookmark(state), "never decreasing"
    given = (change.get("conv_type_id"), change.get("redistribution_parameter"))
    assert matches_truth(held, expected(vendor, rows, *given))
    assert set(vendor.journeys_computed.values()) == {1}


def test_parameters_are_the_same_however_they_are_written(
    vendor: Ihc, tmp_path: Path, rows: list[Row]
) -> None:
    first = compute(vendor, tmp_path, rows, redistribution_parameter=PARAMETER)
    turned = {"closer": dict(reversed(PARAMETER["closer"].items())) | {"receive_threshold": 0.0}}
    forget(vendor)
    compute(vendor, tmp_path, rows, redistribution_parameter=turned, state=first.states[-1])
    assert sent(vendor) == []


def test_since_is_bound_to_the_bookmark(vendor: Ihc, tmp_path: Path, rows: list[Row]) -> None:
    rows = plain(rows)
    url = table_of(tmp_path / "shop.db", rows[:540])
    config = settings(vendor, None, journeys_url=url, journeys_query=SINCE)
    first = run_here(config)
    assert bookmark(first.states[-1]) == converted(rows[537:540])
    table_of(tmp_path / "shop.db", rows[540:])
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection, connection:
        connection.execute("UPDATE session SET channel_label = '' WHERE rowid <= 540")
    second = run_here(config, state=first.states[-1])
    assert second.records("failures") == [], "what is before the bookmark is not read"
    held = first.rows("attributions") | second.rows("attributions")
    assert matches_truth(held, expected(vendor, rows))

    mark = {
        "replication_key": "conversion_timestamp",
        "replication_key_value": "2026-03-30T00:00:00Z",
    }
    forget(vendor)
    run_here(
        {**config, "journeys_query": SINCE.replace("= 1", "= 1 AND channel_label != ''")},
        state={"bookmarks": {"attributions": mark}},
    )
    late = [each for each in rows[540:] if each["conversion"] and each["timestamp"] > "2026-03-30"]
    assert sent(vendor) == [{row["conversion_id"] for row in late}]


@pytest.mark.parametrize("pool", [20, 20_000])
def test_no_journey_is_before_the_bookmark_until_it_is_computed(
    vendor: Ihc, tmp_path: Path, rows: list[Row], monkeypatch: pytest.MonkeyPatch, pool: int
) -> None:
    monkeypatch.setattr(streams, "POOL", pool)
    rows = plain(rows)
    for row in rows[315:375]:  # twenty conversions in one second
        if row["conversion"]:
            row["timestamp"] = rows[374]["timestamp"]
    url = table_of(tmp_path / "shop.db", rows)
    config = settings(
        vendor, None, journeys_url=url, journeys_query=SINCE, max_journeys_per_request=9
    )
    output = run_here(config)
    journeys = by_conversion(rows)
    done: set[str] = set()
    for message in output.messages:
        if message["type"] == "RECORD":
            done.add(message["record"]["conversion_id"])
        elif message["type"] == "STATE" and (mark := bookmark(message["value"])):
            behind = {name for name, each in journeys.items() if converted(each) <= mark}
            assert behind <= done
    assert done == journeys.keys()
    marks = [bookmark(state) for state in output.states]
    assert marks == sorted(marks)
    assert marks[-1] == converted(journeys[ordered(rows)[-1]])


def test_a_failed_journey_is_after_the_bookmark(vendor: Ihc, tmp_path: Path) -> None:
    rows = plain(short(200))
    url = table_of(tmp_path / "shop.db", rows)
    config = settings(vendor, None, journeys_url=url, journeys_query=SINCE)
    vendor.faults.add(value_null(times=2))
    first = run_here(config)
    assert first.code == 1
    second = run_here(config, state=first.states[-1])
    assert second.code == 0
    assert len(sent(vendor)) == 2 + 1 + 1
    held = first.rows("attributions") | second.rows("attributions")
    assert matches_truth(held, expected(vendor, rows))
    assert bookmark(second.states[-1]) == converted(rows[-3:])


def test_an_old_journey_that_changes_and_fails_does_not_move_the_bookmark_back(
    vendor: Ihc, tmp_path: Path, rows: list[Row]
) -> None:
    first = compute(vendor, tmp_path, rows).states[-1]
    rows[0]["channel_label"] = "another"
    vendor.faults.add(value_null(times=2))
    second = compute(vendor, tmp_path, rows, state=first).states[-1]
    assert progress(second)["since"] == bookmark(second) == bookmark(first)


def test_a_bookmark_is_never_later_than_now(vendor: Ihc, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    future = f"{now + timedelta(days=400):%Y-%m-%d %H:%M:%S}"
    rows = [{**row, "timestamp": future} for row in short(1)]
    output = compute(vendor, tmp_path, rows)
    for state, stream in itertools.product(output.states, ("attributions", "failures")):
        assert bookmark(state, stream) <= f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    forget(vendor)
    compute(vendor, tmp_path, rows, state=output.states[-1])
    assert sent(vendor) == []


def partly(states: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Return states as Meltano stores them, merged after every message."""
    held: dict[str, Any] = {}
    for state in states:
        held = merged(held, json.loads(json.dumps(state)))
        yield held


def test_a_journey_that_moves_to_another_day_and_back_is_sent_again(
    vendor: Ihc, tmp_path: Path
) -> None:
    state: dict[str, Any] = {}
    for day, requests in (("01", 1), ("02", 1), ("01", 1), ("01", 0)):
        forget(vendor)
        row = {**short(1)[-1], "timestamp": f"2026-03-{day} 10:00:00", "conversion": 1}
        output = compute(vendor, tmp_path, [row], state=state)
        state = merged(state, output.states[-1])
        assert len(sent(vendor)) == requests


def test_states_hold_no_lists_and_survive_being_merged(
    vendor: Ihc, tmp_path: Path, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(computed, "MOST_KEPT", 50)
    monkeypatch.setattr(streams, "POOL", 40)
    first = compute(vendor, tmp_path, rows, max_journeys_per_request=20)
    held = list(partly(first.states))[-1]
    assert not lists_in(held)
    forget(vendor)
    again = compute(vendor, tmp_path, rows, state=held)
    assert (again.code, sent(vendor)) == (0, [])
    other = compute(vendor, tmp_path, rows, conv_type_id="returning_customers", state=held)
    held = merged(held, *other.states)
    assert len(vendor.journeys_computed) == 200
    forget(vendor)
    compute(vendor, tmp_path, rows, conv_type_id="returning_customers", state=held)
    assert sent(vendor) == []


def test_a_state_is_limited_and_drops_the_oldest_days(
    vendor: Ihc, tmp_path: Path, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(computed, "MOST_KEPT", 50)
    monkeypatch.setattr(streams, "POOL", 40)
    output = compute(vendor, tmp_path, rows, max_journeys_per_request=20)
    days = [len(progress(state)["computed"]) for state in output.states if progress(state)]
    assert max(days) <= 50 / (200 / 60) + 40 / (200 / 60) + 2
    assert len(json.dumps(output.states[-1])) < 2000
    assert matches_truth(output.rows("attributions"), expected(vendor, rows))

    forget(vendor)
    horizon = progress(output.states[-1])["horizon"]
    first, last = rows[0], rows[-1]
    assert as_emitted(first["timestamp"]) < horizon < as_emitted(last["timestamp"])
    first["channel_label"] = last["channel_label"] = "another"
    compute(vendor, tmp_path, rows, state=output.states[-1])
    assert sent(vendor) == [{last["conversion_id"]}]


def test_a_journey_that_was_not_computed_is_sent_by_a_later_run(
    vendor: Ihc, tmp_path: Path, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(computed, "MOST_KEPT", 50)
    monkeypatch.setattr(streams, "POOL", 40)
    vendor.faults.add(value_null(times=2))
    first = compute(vendor, tmp_path, rows, max_journeys_per_request=20)
    assert first.code == 1
    second = compute(vendor, tmp_path, rows, state=first.states[-1])
    held = first.rows("attributions") | second.rows("attributions")
    assert matches_truth(held, expected(vendor, rows))
    assert len(progress(second.states[-1])["computed"]) < 20


def test_credits_may_be_selected_without_failures(
    vendor: Ihc, tmp_path: Path, rows: list[Row]
) -> None:
    rows[0]["holder_engagement"] = 2
    config = settings(vendor, file_of(tmp_path / "j.jsonl", rows))
    catalog = selected(TapIhc(config=config), ["attributions"])
    output = run_here(config, catalog=catalog)
    assert {message["stream"] for message in output.of("RECORD")} == {"attributions"}
    assert matches_truth(output.rows("attributions"), expected(vendor, rows[3:]))
    forget(vendor)
    run_here(config, state=output.states[-1])
    assert sent(vendor) == []
