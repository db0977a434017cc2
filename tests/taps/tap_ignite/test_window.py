"""Windows of the requests, and bookmarks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from attribution_elt.sandbox import Sandbox
from tests.tap_process import Output, lists_in, merged
from tests.taps.tap_ignite.helpers import (
    KEYS,
    days_ago,
    expected,
    marks,
    matches_truth,
    only,
    requested_paths,
    requests,
    run_here,
    settings,
)

MEMBER_LISTS = ("audiences/", "audience_groups/")


def reached(sandbox: Sandbox, days: int, *streams: str) -> dict[str, Any]:
    """Return a state in which every website was read completely so many days ago."""
    units = {site.name: str(days_ago(sandbox, days)) for site in sandbox.ignite.websites}
    return {"bookmarks": {name: {"units": dict(units)} for name in streams or KEYS}}


def dates(sandbox: Sandbox) -> set[str | None]:
    """Return the first days of the requested windows, except those of member lists."""
    found = requested_paths(sandbox)
    return {day for path, day in found if not path.startswith(MEMBER_LISTS)} - {None}


def test_the_date_is_always_sent_where_it_is_documented(sandbox: Sandbox) -> None:
    run_here(settings(sandbox))
    for request in requests(sandbox):
        path = request.path.removeprefix("/api/")
        takes_date = path in {"visitors", "products", "locations"}
        takes_date |= path.startswith(("audiences/", "audience_groups/"))
        day = request.query.get("date")
        assert day == ([str(days_ago(sandbox, 30))] if takes_date else None), path
        takes_hash = path == "visitors" or ("/" in path)
        assert request.query.get("algo") == (["md5"] if takes_hash else None), path


@pytest.mark.parametrize("stream", ["visitors", "location_details"])
def test_another_hash_algorithm_reads_the_whole_window_again(sandbox: Sandbox, stream: str) -> None:
    config = settings(sandbox)
    catalog = only(config, stream)
    state = run_here(config, catalog=catalog).states[-1]
    for algorithms, days in ((["md5"], 1), (["sha1", "md5"], 30), (["sha1", "md5"], 1)):
        sandbox.ignite.requests.clear()
        config = settings(sandbox, hash_algorithms=algorithms)
        output = run_here(config, catalog=catalog, state=state)
        state = merged(state, output.states[-1])
        assert dates(sandbox) == {str(days_ago(sandbox, days))}


@pytest.mark.parametrize(
    ("days", "window"), [(0, 0), (1, 1), (58, 58), (59, 59), (60, 59), (61, 59), (4000, 59)]
)
def test_the_start_date_is_never_over_59_days_back(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture, days: int, window: int
) -> None:
    since = days_ago(sandbox, window)
    output = run_here(settings(sandbox, start_date=str(days_ago(sandbox, days))))
    assert dates(sandbox) == {str(since)}
    assert all(matches_truth(output, site, since) for site in sandbox.ignite.websites)
    warnings = [text for text in caplog.messages if "no longer available" in text]
    if days > window:
        (warning,) = warnings
        assert f"{days_ago(sandbox, days)}..{days_ago(sandbox, 60)}" in warning
    else:
        assert warnings == []


def test_a_start_date_in_the_future_is_today(sandbox: Sandbox) -> None:
    run_here(settings(sandbox, start_date=str(days_ago(sandbox, -10))))
    assert dates(sandbox) == {str(sandbox.clock.today)}


def test_no_warning_where_no_window_is_requested(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    config = settings(sandbox, start_date=str(days_ago(sandbox, 100)))
    run_here(config, catalog=only(config, "sales", "audiences"))
    assert not [text for text in caplog.messages if "no longer" in text]


@pytest.mark.parametrize("lookback", [0, 1, 5])
def test_the_window_is_the_bookmark_less_the_look_back(sandbox: Sandbox, lookback: int) -> None:
    config = settings(sandbox, lookback_days=lookback, start_date="2020-01-01")
    run_here(config, state=reached(sandbox, 10))
    assert dates(sandbox) == {str(days_ago(sandbox, 10 + lookback))}


def test_the_look_back_is_a_day_by_default(sandbox: Sandbox) -> None:
    run_here(settings(sandbox), state=reached(sandbox, 3))
    assert dates(sandbox) == {str(days_ago(sandbox, 4))}


def test_an_old_bookmark_is_reported_once_for_each_website(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    output = run_here(settings(sandbox), state=reached(sandbox, 80))
    assert dates(sandbox) == {str(days_ago(sandbox, 59))}
    warnings = [text for text in caplog.messages if "no longer available" in text]
    assert len(warnings) == 2
    for site, text in zip(sandbox.ignite.websites, warnings, strict=True):
        assert site.name in text
        assert f"{days_ago(sandbox, 81)}..{days_ago(sandbox, 60)}" in text
    assert all(
        matches_truth(output, site, days_ago(sandbox, 59)) for site in sandbox.ignite.websites
    )


def test_the_bookmark_is_today_for_each_website_and_stream(sandbox: Sandbox) -> None:
    output = run_here(settings(sandbox))
    today = str(sandbox.clock.today)
    for stream in KEYS:
        assert marks(output.states[-1], stream) == {"website_1": today, "website_2": today}


def test_each_website_and_stream_has_its_own_window(sandbox: Sandbox) -> None:
    state = reached(sandbox, 10)
    del state["bookmarks"]["visitors"]["units"]["website_2"]
    state["bookmarks"]["products"]["units"]["website_1"] = str(days_ago(sandbox, 20))
    config = settings(sandbox, websites=sandbox.ignite.websites, lookback_days=0)
    output = run_here(config, state=state)
    first, second = sandbox.ignite.websites
    for stream, site, days in (
        ("visitors", first, 10),
        ("visitors", second, 30),
        ("products", first, 20),
        ("products", second, 10),
    ):
        rows = expected(site, days_ago(sandbox, days))[stream]
        assert rows.items() <= output.rows(stream).items()


@pytest.mark.parametrize("days", [1, 30, 59])
@pytest.mark.parametrize("bookmark_age", [None, 0, 3, 80])
def test_members_are_requested_for_the_same_number_of_days_in_every_run(
    sandbox: Sandbox, days: int, bookmark_age: int | None
) -> None:
    state = {} if bookmark_age is None else reached(sandbox, bookmark_age)
    config = settings(sandbox, snapshot_days=days, start_date=str(days_ago(sandbox, 5)))
    members = ("audience_members", "audience_group_members")
    output = run_here(config, state=state, catalog=only(config, *members))
    found = {day for path, day in requested_paths(sandbox) if path.startswith(MEMBER_LISTS)}
    assert found == {str(days_ago(sandbox, days))}
    for site in sandbox.ignite.websites:
        rows = expected(site, days_ago(sandbox, 5), snapshot=days_ago(sandbox, days))
        for stream in members:
            assert rows[stream].items() <= output.rows(stream).items()


def test_a_list_is_read_as_far_back_as_its_details_need(sandbox: Sandbox) -> None:
    state = reached(sandbox, 2)
    state["bookmarks"]["location_details"] = {}
    config = settings(sandbox, lookback_days=0)
    output = run_here(config, state=state)
    assert {day for _, day in requested_paths(sandbox, "locations")} == {
        str(days_ago(sandbox, 30)),
        None,
    }
    for site in sandbox.ignite.websites:
        rows = expected(site, days_ago(sandbox, 30))["location_details"]
        assert rows.items() <= output.rows("location_details").items()


def test_a_bookmark_later_than_today_does_not_stay(sandbox: Sandbox) -> None:
    output = run_here(settings(sandbox), state=reached(sandbox, -3))
    assert dates(sandbox) == {str(sandbox.clock.today)}
    assert set(marks(output.states[-1], "visitors").values()) == {str(sandbox.clock.today)}


def test_a_website_that_is_new_is_read_from_the_start(sandbox: Sandbox) -> None:
    state = run_here(settings(sandbox)).states[-1]
    sandbox.ignite.website_count = 3
    output = run_here(settings(sandbox), state=state)
    third = sandbox.ignite.websites[2]
    assert matches_truth(output, third, days_ago(sandbox, 30))


def test_time_passes_and_the_warehouse_keeps_up(sandbox: Sandbox) -> None:
    warehouse: dict[str, Any] = {stream: {} for stream in KEYS}
    state: dict[str, Any] = {}
    sizes = []
    for days in (0, 1, 3, 20, 1):
        sandbox.advance(days)
        bookmark = marks(state, "visitors").get("website_1")
        sandbox.ignite.requests.clear()
        output = run_here(settings(sandbox), state=state)
        state = merged(state, output.states[-1])
        sizes.append(len(json.dumps(state)))
        assert not lists_in(state)
        since = days_ago(sandbox, days + 1 if bookmark else 30)
        assert dates(sandbox) == {str(since)}
        for site in sandbox.ignite.websites:
            assert matches_truth(output, site, since)
        for stream in KEYS:
            warehouse[stream] |= output.rows(stream)
        # the rows of the last 30 days are complete, although several runs loaded them
        for site in sandbox.ignite.websites:
            truth = expected(site, days_ago(sandbox, 30))
            for stream in ("visitors", "products", "locations", "location_details", "audiences"):
                assert truth[stream].keys() <= warehouse[stream].keys()
            for row in truth["locations"].values():
                key = (site.name, row["id"])
                details = truth["location_details"][key]
                found = warehouse["location_details"][key]
                assert found == details
    assert sizes[0] == sizes[-1] < 3000


def test_no_state_runs_ahead_of_the_records(sandbox: Sandbox) -> None:
    output = run_here(settings(sandbox))
    seen = Output(b"")
    lines = output.stdout.splitlines(keepends=True)
    marked: set[tuple[str, str]] = set()
    for number, message in enumerate(output.messages):
        if message["type"] != "STATE":
            continue
        for stream in KEYS:
            for website in marks(message["value"], stream):
                if (stream, website) not in marked:
                    marked.add((stream, website))
                    seen = Output(b"".join(lines[:number]))
                    found = {k for k in seen.rows(stream) if k[0] == website}
                    assert found == {k for k in output.rows(stream) if k[0] == website}
    assert len(marked) == 2 * len(KEYS)
