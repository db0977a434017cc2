"""A back-test of the intervals of completeness: each day and each age, with what was known then."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest

from attribution_elt.reporting.completeness import completeness, courses
from attribution_elt.reporting.revenue import Figure, Key, Note
from attribution_elt.sandbox.ecdp.orders import OrderBook

DAY = date(2026, 3, 1)
DAYS, HORIZON, AGES = 180, 30, range(1, 22)
ORDERS_PER_DAY = 150
SEEDS = (1, 2, 3, 4)


def simulated(seed: int, days: int) -> list[Note]:
    """The changes of revenue by day as daily loads of the sandbox's orders see them."""
    first = DAY
    book = OrderBook(
        lambda *parts: random.Random(f"{seed} {parts}"),
        first,
        ORDERS_PER_DAY,
        0.01,
        0.0,
        purchases=lambda _: (),
    )
    known: dict[Key, Decimal] = {}
    notes = []
    for number in range(days):
        today = first + timedelta(days=number)
        book.catch_up(today, [])
        sums: dict[Key, Decimal] = {}
        for order in book.between(today - timedelta(days=HORIZON), today):
            channel = order.record.get("channel")
            key = Key(order.day, channel, "EUR")
            value = Decimal(str(order.record["orderValueConverted"] or 0))
            sums[key] = sums.get(key, Decimal()) + value
        earlier = {key for key in known if (today - key.day).days <= HORIZON}
        seen = datetime.combine(today, time(23), UTC)
        for key in sorted(sums.keys() | earlier, key=str):
            revenue = sums.get(key, Decimal())
            if known.get(key) != revenue:
                known[key] = revenue
                notes.append(Note(seen, key, Figure(Decimal(1), revenue)))
    return notes


def covered(notes: list[Note], days: int) -> Iterator[bool]:
    """Whether each interval that was given on a day contains the share that came to be."""
    final = courses(notes, HORIZON, DAY + timedelta(days=days - 1))
    for number in range(days):
        until = DAY + timedelta(days=number)
        past = [each for each in final if each.day + timedelta(days=HORIZON) <= until]
        for age in AGES:
            new = [each for each in final if each.day == until - timedelta(days=age)]
            found = completeness(past, age)
            if not new or found is None or found.low is None or found.high is None:
                continue
            share = new[0].share(age)
            if share is not None:
                yield found.low <= share <= found.high


@pytest.fixture(scope="module")
def results() -> dict[int, list[bool]]:
    return {seed: list(covered(simulated(seed, DAYS), DAYS)) for seed in SEEDS}


def test_intervals_contain_as_many_days_as_they_claim(results: dict[int, list[bool]]) -> None:
    every = [each for of_seed in results.values() for each in of_seed]
    assert all(len(of_seed) > 2000 for of_seed in results.values())
    shares = {seed: round(sum(found) / len(found), 3) for seed, found in results.items()}
    print(f"\ncoverage by seed: {shares}")  # noqa: T201 - the purpose of the test
    assert 0.87 <= sum(every) / len(every) <= 0.93, shares
