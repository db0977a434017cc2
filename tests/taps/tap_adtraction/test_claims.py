"""Claims of programs, feeds and their rows, with and without the settings for more rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from attribution_elt.kit.testing import Warehouse, claims_of
from attribution_elt.sandbox import Fault
from attribution_elt.sandbox.adtraction import Adtraction
from tests.taps.tap_adtraction.helpers import (
    all_bookmarks,
    bookmarks,
    requests_for,
    run_here,
    settings,
)

FIRST, SECOND = 700000000, 700000001


@pytest.fixture
def warehouse() -> Warehouse:
    return Warehouse()


def rows_of(warehouse: Warehouse, stream: str, program_id: int) -> int:
    return sum(row["program_id"] == program_id for row in warehouse.rows[stream].values())


def load(warehouse: Warehouse, vendor: Adtraction, state: Any = None, **more: Any) -> Any:
    output = run_here(settings(vendor, **more), state=state or {})
    warehouse.load(output)
    return output.states[-1] if output.states else state


def test_rows_of_a_program_that_is_no_longer_listed_are_removed(
    vendor: Adtraction, warehouse: Warehouse
) -> None:
    state = load(warehouse, vendor)
    streams = ("programs", "commissions", "feeds", "products")
    assert all(rows_of(warehouse, stream, FIRST) for stream in streams)
    vendor.withdraw("program", FIRST)
    state = load(warehouse, vendor, state)
    assert not any(rows_of(warehouse, stream, FIRST) for stream in streams)
    assert all(rows_of(warehouse, stream, SECOND) for stream in streams)
    assert not [name for name in state["bookmarks"]["products"]["units"] if str(FIRST) in name]


def test_products_of_a_feed_that_is_no_longer_listed_are_removed(
    vendor: Adtraction, warehouse: Warehouse
) -> None:
    state = load(warehouse, vendor)
    (feed_id, *_) = {row["feed_id"] for row in warehouse.rows["products"].values()}
    vendor.withdraw("feed", feed_id)
    load(warehouse, vendor, state)
    for stream in ("feeds", "products"):
        assert feed_id not in {row["feed_id"] for row in warehouse.rows[stream].values()}


@pytest.mark.parametrize(
    "narrower",
    [
        {"program_ids": [SECOND]},
        {"program_ids": [SECOND, FIRST + 2]},
        {"markets": ["NO"]},
        {"channel_ids": [114000002]},
        {"approval_status": 1},
        {"program_status": 3},
    ],
    ids=str,
)
def test_rows_outside_narrower_settings_stay(
    vendor: Adtraction, warehouse: Warehouse, narrower: dict[str, Any]
) -> None:
    state = load(warehouse, vendor)
    before = {stream: dict(rows) for stream, rows in warehouse.rows.items()}
    for _ in range(3):
        state = load(warehouse, vendor, state, **narrower)
    assert warehouse.rows == before


def test_a_program_withdrawn_under_the_same_filters_is_removed(
    vendor: Adtraction, warehouse: Warehouse
) -> None:
    filters = {"program_ids": [FIRST, SECOND]}
    state = load(warehouse, vendor, **filters)
    vendor.withdraw("program", FIRST)
    load(warehouse, vendor, state, **filters)
    for stream in ("programs", "commissions", "feeds", "products"):
        assert not rows_of(warehouse, stream, FIRST), stream
        assert rows_of(warehouse, stream, SECOND), stream


def test_while_a_list_is_missing_nothing_counts_as_withdrawn(
    vendor: Adtraction, warehouse: Warehouse
) -> None:
    state = load(warehouse, vendor)
    before = {stream: dict(rows) for stream, rows in warehouse.rows.items()}
    vendor.withdraw("program", FIRST)
    lists = {
        "status": Fault("status", status=404, match=lambda request: b'"SE"' in request.body),
        "truncate": Fault("truncate", match="/programs/", times=3),
    }
    for fault in lists.values():
        vendor.faults.add(fault)
    again = load(warehouse, vendor, state, max_concurrent_requests=1)
    for stream in ("commissions", "feeds", "products"):
        assert warehouse.rows[stream] == before[stream]
    load(warehouse, vendor, again)
    assert not rows_of(warehouse, "products", FIRST)


def test_a_failed_feed_makes_no_claim(vendor: Adtraction) -> None:
    vendor.faults.add(Fault("truncate", match="/feed/", times=None))
    output = run_here(settings(vendor))
    assert claims_of(output, "products") == []
    assert claims_of(output, "feeds")


def absent(name: str) -> Callable[[bytes], bytes]:
    return lambda body: body.replace(f'"{name}"'.encode(), f'"{name}Old"'.encode())


@pytest.mark.parametrize("name", ["commissions", "feeds"])
def test_a_list_that_is_absent_makes_no_claim(vendor: Adtraction, name: str) -> None:
    fault = Fault("altered", change=absent(name), match="/programs/", times=None)
    vendor.faults.add(fault)
    output = run_here(settings(vendor))
    assert claims_of(output, name) == []
    assert claims_of(output, "programs")


def test_a_program_without_its_list_of_feeds_keeps_its_products(
    vendor: Adtraction, warehouse: Warehouse
) -> None:
    state = load(warehouse, vendor)
    before = dict(warehouse.rows["products"])
    fault = Fault("altered", change=absent("feeds"), match="/programs/", times=None)
    vendor.faults.add(fault)
    again = load(warehouse, vendor, state)
    assert warehouse.rows["products"] == before
    assert bookmarks(again) == bookmarks(state)


def test_feed_info_fills_the_approval_status_and_finds_unlisted_feeds(
    vendor: Adtraction, warehouse: Warehouse
) -> None:
    load(warehouse, vendor)
    listed = set(warehouse.rows["feeds"])
    assert {row["approval_status"] for row in warehouse.rows["feeds"].values()} == {None}
    feed_id = max(key[2] for key in listed)
    vendor.unlisted_feeds = {feed_id}
    vendor.requests.clear()
    more = Warehouse()
    load(more, vendor, feed_info=True)
    assert set(more.rows["feeds"]) == listed
    assert {row["approval_status"] for row in more.rows["feeds"].values()} == {1}
    assert {row["feed_id"] for row in more.rows["products"].values()} >= {feed_id}
    paths = [each.path for each in vendor.requests if "/feedinfo/" in each.path]
    programs = sum(len(vendor.programs(m, c)) for m in vendor.markets for c in vendor.channel_ids)
    assert len(paths) == len(set(paths)) == programs


def test_feed_info_changes_nothing_without_a_channel_to_request_it_for(vendor: Adtraction) -> None:
    outputs = [
        run_here(settings(vendor, channel_ids=..., feed_info=each)) for each in (False, True)
    ]
    assert claims_of(outputs[0], "feeds") == claims_of(outputs[1], "feeds") != []


def test_an_entry_of_the_listed_feeds_that_is_not_an_object_is_a_row(
    vendor: Adtraction, warehouse: Warehouse
) -> None:
    def with_a_text(body: bytes) -> bytes:
        programs = json.loads(body)
        for program in programs:
            program["feeds"].append("none")
        return json.dumps(programs).encode()

    load(warehouse, vendor, feed_info=True)
    before = len(warehouse.rows["feeds"])
    vendor.faults.add(Fault("altered", change=with_a_text, match="/programs/", times=None))
    state = load(more := Warehouse(), vendor, feed_info=True)
    extras = [row["_extra"] for row in more.rows["feeds"].values()]
    assert extras.count({"value": "none"}) == len(extras) - before > 0
    assert bookmarks(state) == all_bookmarks(vendor)


def test_standard_commissions_are_rows_of_channel_0(
    vendor: Adtraction, warehouse: Warehouse
) -> None:
    load(warehouse, vendor, standard_commissions=True)
    rows = [row for row in warehouse.rows["commissions"].values() if row["channel_id"] == 0]
    programs = vendor.programs("SE", None) + vendor.programs("NO", None)
    assert len({row["program_id"] for row in rows}) == len(programs)
    assert {str(row["value"]) for row in rows} == {"5.25", "10"}
    paths = [each.path for each in vendor.requests if "/commissions/" in each.path]
    assert len(paths) == len(set(paths)) == len(programs)
    assert all(path.endswith("/") for path in paths)
    assert len(requests_for(vendor, "programs")) == 4


def test_a_withdrawn_standard_commission_is_removed(
    vendor: Adtraction, warehouse: Warehouse
) -> None:
    state = load(warehouse, vendor, standard_commissions=True)
    before = sum(key[0] == 0 for key in warehouse.rows["commissions"])
    vendor.withdraw("commission", SECOND, 1)
    load(warehouse, vendor, state, standard_commissions=True)
    assert sum(key[0] == 0 for key in warehouse.rows["commissions"]) == before - 1
    vendor.withdraw("program", SECOND)
    load(warehouse, vendor, state, standard_commissions=True)
    assert not rows_of(warehouse, "commissions", SECOND)


def test_standard_commissions_stay_if_they_are_no_longer_requested(
    vendor: Adtraction, warehouse: Warehouse
) -> None:
    state = load(warehouse, vendor, standard_commissions=True)
    before = dict(warehouse.rows["commissions"])
    for _ in range(2):
        state = load(warehouse, vendor, state)
    assert warehouse.rows["commissions"] == before


def test_channels_are_claimed_as_a_whole(vendor: Adtraction, warehouse: Warehouse) -> None:
    state = load(warehouse, vendor)
    (channel, *_) = (key[0] for key in warehouse.rows["channels"])
    vendor.withdraw("channel", channel)
    output = run_here(settings(vendor), state=state)
    assert claims_of(output, "channels") == [{}]
    warehouse.load(output)
    assert (channel,) not in warehouse.rows["channels"]
