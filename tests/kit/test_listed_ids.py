"""Ids that the last complete run listed."""

from __future__ import annotations

from typing import Any

from attribution_elt.kit import listed_ids
from attribution_elt.kit.listed_ids import ListedIds
from tests.tap_process import lists_in, merged


def test_the_ids_of_a_complete_run_are_those_of_its_lists() -> None:
    state: dict[str, Any] = {}
    assert list(ListedIds(state)) == []
    ListedIds(state).save({"a": ["1", "2"], "b": []})
    assert list(ListedIds(state)) == [("a", "1"), ("a", "2")]
    ListedIds(state).save({"b": ["3"]})
    assert list(ListedIds(state)) == [("b", "3")]


def test_merged_states_have_the_ids_of_the_last_one() -> None:
    first: dict[str, Any] = {}
    ListedIds(first).save({"a": ["1", "2"], "b": ["3"]})
    second = merged(first)
    ListedIds(second).save({"a": ["2"]})
    state = merged(first, second)
    assert not lists_in(state)
    assert list(ListedIds(state)) == [("a", "2")]


def test_other_filters_are_a_change_until_a_run_is_complete() -> None:
    state: dict[str, Any] = {}
    assert not ListedIds(state, {"ids": [1]}).unchanged
    ListedIds(state, {"ids": [1]}).save({})
    assert ListedIds(state, {"ids": [1]}).unchanged
    assert not ListedIds(state, {"ids": [1, 2]}).unchanged
    assert not ListedIds(state, {"ids": None}).unchanged
    ListedIds(state, {"ids": [1, 2]}).save({})
    assert not ListedIds(state, {"ids": [1]}).unchanged


def test_ids_of_a_list_that_is_too_long_are_not_kept() -> None:
    state: dict[str, Any] = {}
    ids = list(map(str, range(listed_ids.MOST_LISTED + 1)))
    ListedIds(state).save({"a": ids, "b": ids[1:]})
    assert {scope for scope, _ in ListedIds(state)} == {"b"}
