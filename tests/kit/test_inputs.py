from __future__ import annotations

from typing import Any

import pytest

from attribution_elt.kit.errors import InvalidSettingsError
from tests.kit.shop import TapShop, order, run


def lines(**given: Any) -> list[str]:
    with pytest.raises(InvalidSettingsError) as caught:
        TapShop(config={}, **given)
    return caught.value.faults


@pytest.mark.parametrize(
    ("state", "line"),
    [
        ([1], "state: a list instead of an object"),
        ({"bookmarks": []}, "state: 'bookmarks' is a list instead of an object"),
        ({"bookmarks": "x"}, "state: 'bookmarks' is a text instead of an object"),
        (
            {"bookmarks": {"orders": ["2026"]}},
            "state: the bookmark of 'orders' is a list instead of an object",
        ),
        (
            {"bookmarks": {"orders": 7}},
            "state: the bookmark of 'orders' is a number instead of an object",
        ),
        (
            {"bookmarks": {"orders": {"units": {"1": "2026-02-30"}}}},
            "state: 'units' of 'orders': '2026-02-30' is neither a date nor a time",
        ),
        (
            {"bookmarks": {"orders": {"replication_key_value": 20260228}}},
            "state: 'replication_key_value' of 'orders': 20260228 is neither a date nor a time",
        ),
        (
            {"bookmarks": {"orders": {"had_rows": "all"}}},
            "state: 'had_rows' of 'orders' is a text instead of an object",
        ),
        (
            {"bookmarks": {"orders": {"computed": {"2026-01-01": 5}}}},
            "state: 'computed' of 'orders': 5 is not a text",
        ),
    ],
)
def test_a_state_of_another_shape_is_a_line(state: Any, line: str) -> None:
    assert lines(state=state) == [line]


@pytest.mark.parametrize(
    "state",
    [
        None,
        {},
        {"bookmarks": None},
        {"bookmarks": {"orders": None}},
        {"bookmarks": {"orders": {"units": None, "had_rows": None}}},
        {"bookmarks": {"no_stream": {"replication_key_value": 7}}},
    ],
)
def test_null_in_a_state_counts_as_absent(state: Any) -> None:
    assert run([[order(1)]], state=state).error is None


@pytest.mark.parametrize(
    ("catalog", "line"),
    [
        ([], "catalog: it is not an object with a list 'streams', as --discover writes it"),
        ({"streams": {}}, "catalog: it is not an object with a list 'streams', as --discover"),
        ({"streams": [{"stream": "orders"}]}, "catalog: entry 1 of 'streams' has no 'tap_stream"),
        (
            {"streams": [{"tap_stream_id": "orders", "stream": "sales", "schema": {}}]},
            "catalog: stream 'orders' is renamed to 'sales'",
        ),
        ({"streams": [{"tap_stream_id": "orders"}]}, "catalog: stream 'orders' has no 'schema'"),
        (
            {"streams": [{"tap_stream_id": "orders", "schema": {}, "metadata": {}}]},
            "catalog: 'metadata' of stream 'orders' is not a list",
        ),
    ],
)
def test_a_catalogue_of_another_shape_is_a_line(catalog: Any, line: str) -> None:
    (found,) = lines(catalog=catalog)
    assert found.startswith(line)
