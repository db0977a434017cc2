"""Requests are as full as possible for journeys of any length."""

from __future__ import annotations

import random

import pytest
from tap_ihc.outbox import Outbox, pack

LENGTHS: dict[str, tuple[range, ...]] = {
    "short": (range(1, 6),),
    "around thirty": (range(20, 41),),
    "thirty": (range(30, 31),),
    "mixed": (range(1, 6), range(1, 6), range(6, 31), range(31, 151)),
    "long": (range(200, 400),),
}


@pytest.mark.parametrize("name", LENGTHS)
@pytest.mark.parametrize("count", [1, 99, 2000, 10_000])
def test_requests_are_within_two_percent_of_the_fewest(name: str, count: int) -> None:
    rng = random.Random(count)
    sizes = {f"{number}": rng.choice(rng.choice(LENGTHS[name])) for number in range(count)}
    groups = pack(sizes.items(), 100, 3000)
    assert sorted(each for group in groups for each in group) == sorted(sizes)
    assert max(map(len, groups)) <= 100
    assert max(sum(sizes[each] for each in group) for group in groups) <= 3000
    fewest = max(-(-count // 100), -(-sum(sizes.values()) // 3000))
    assert len(groups) <= max(fewest * 1.02, fewest + 1)


def test_huge_journeys_are_filled_up_with_short_ones() -> None:
    sizes = {f"{number}": 2990 if number < 10 else 1 for number in range(110)}
    assert sorted(map(len, pack(sizes.items(), 100, 3000))) == [11] * 10


def test_no_journeys_are_no_requests() -> None:
    assert pack([], 100, 3000) == []


def outbox_of(sizes: dict[str, int]) -> Outbox:
    outbox = Outbox(100, 3000)
    for name, size in sizes.items():
        outbox.add(name, size)
    return outbox


def test_halves_are_about_equal() -> None:
    outbox = outbox_of({f"{number}": 1 + number % 60 for number in range(90)})
    whole = outbox.take()
    outbox.halve(whole)
    first, second = outbox.take(), outbox.take()
    assert first.sessions + second.sessions == whole.sessions
    assert abs(first.sessions - second.sessions) <= 60
    assert not outbox


def test_a_request_is_not_too_large_if_a_larger_one_was_accepted() -> None:
    outbox = outbox_of({"a": 50, "b": 50})
    whole = outbox.take()
    outbox.add("c", 2000)
    assert not outbox.accept(outbox.take())
    outbox.halve(whole)  # refused, but its halves are not: for a reason that is gone
    assert not outbox.accept(outbox.take())
    assert not outbox.accept(outbox.take())
    assert outbox.limit == 3000


def plan_of(limit: int, sizes: dict[str, int]) -> tuple[Outbox, list[int], list[str]]:
    """Send everything to a vendor with this limit; return what was accepted, in order."""
    outbox = outbox_of(sizes)
    asked: list[int] = []
    accepted: list[str] = []
    while outbox:
        accepted += outbox.oversized()
        if not outbox:
            break
        group = outbox.take()
        asked.append(group.sessions)
        if group.sessions <= limit:
            outbox.accept(group)
            accepted += group.sizes
        elif len(group.sizes) > 1:
            outbox.halve(group)
        else:
            accepted += group.sizes
    return outbox, asked, accepted


@pytest.mark.parametrize("limit", [3000, 2999, 1600, 1000, 300, 200, 199, 120, 50])
def test_any_limit_is_found_and_every_journey_is_sent_once(limit: int) -> None:
    rng = random.Random(limit)
    sizes = {f"{number}": rng.randrange(1, 40) for number in range(1500)}
    outbox, asked, accepted = plan_of(limit, sizes)
    assert sorted(accepted) == sorted(sizes)
    refused = [size for size in asked if size > limit]
    assert outbox.limit <= (max(limit, 200) if refused else 3000)
    assert len(refused) <= 10
    assert len(asked) - len(refused) <= 2.2 * sum(sizes.values()) / limit + 5
    if limit == 200:
        assert outbox.limit == 200
        assert len(asked) <= 1.02 * sum(sizes.values()) / limit + len(refused) + 5
