"""The models compared with independent calculations."""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest

from tests.targets.target_warehouse.warehouses import Warehouse
from tests.transform.shop import Row, Shop, purchase, touch

SOURCES = (
    "cpc/google",
    "cpc/facebook",
    "email/letter",
    "organic/bing",
    "affiliate/partner",
    "display/network",
    "",
)
START = datetime(2026, 1, 1, tzinfo=UTC)
END, NULL = "(conversion)", "(null)"


def world(seed: int, persons: int) -> tuple[list[Row], list[Row]]:
    """Touches and purchases of persons who come back, some for months, and buy, some twice."""
    rng = random.Random(seed)
    touches: list[Row] = []
    events: list[Row] = []
    for person in range(persons):
        moment = START + timedelta(hours=rng.randrange(24 * 60))
        for _ in range(rng.choice((1, 1, 2, 3, 5, 8, 13))):
            moment += timedelta(minutes=rng.randrange(60 * 24 * 9))
            source = rng.choices(SOURCES, (5, 3, 4, 3, 1, 2, 3))[0]
            touches.append(touch(len(touches) + 1, f"p{person}", moment.isoformat(), source))
            if rng.random() < 0.2:
                sold = moment + timedelta(minutes=5)
                amount = rng.randrange(100, 100_000) / 100
                events.append(purchase(len(events) + 1, f"p{person}", sold.isoformat(), amount))
    return touches, events


@pytest.fixture
def shop(warehouse: Warehouse) -> Shop:
    touches, events = world(seed=5, persons=150)
    made = Shop(warehouse)
    made.load("tap_attribution_io", "touchpoints", *touches)
    made.load("tap_attribution_io", "events", *events)
    return made.build()


def journeys(shop: Shop) -> dict[str, list[tuple[str, str]]]:
    """Each conversion's touches, as keys and channels."""
    found = defaultdict(list)
    columns = ("conversion_key", "position", "touch_key", "channel")
    for conversion, _, key, channel in shop.rows("int_journeys", columns, "in_lookback"):
        found[conversion].append((key, channel))
    return found


def null_paths(shop: Shop) -> list[list[str]]:
    found = defaultdict(list)
    columns = ("path_key", "position", "channel")
    for path, _, channel in shop.rows("int_paths_without_conversion", columns):
        found[path].append(channel)
    return list(found.values())


def test_credits_are_those_of_independent_calculations(shop: Shop) -> None:
    assert shop.failed == {}
    paths = {key: [channel for _, channel in path] for key, path in journeys(shop).items()}
    rows = shop.rows("fct_conversions", ("conversion_key", "path"))
    assert {key: json.loads(path) for key, path in rows} == paths
    assert_shapley_is_that_of_all_coalitions(shop)
    effects = removal_effects(list(paths.values()), null_paths(shop))
    found = {
        channel: float(effect)
        for channel, effect in shop.rows("fct_channel_effects", ("channel", "removal_effect"))
    }
    assert found == pytest.approx(effects, abs=1e-12, rel=0)
    ((residual,),) = shop.execute("SELECT max(abs(residual)) FROM {}", "fct_channel_effects")
    assert residual < 1e-9

    by_channel: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    columns = ("model", "conversion_key", "channel", "credit")
    for model, conversion, channel, credit in shop.rows("fct_credits", columns):
        by_channel[model, conversion][channel] += credit
    for conversion, path in paths.items():
        expected = expected_credits(path, effects)
        for model, credits_ in expected.items():
            assert dict(by_channel[model, conversion]) == pytest.approx(credits_, abs=1e-12)


def assert_shapley_is_that_of_all_coalitions(shop: Shop) -> None:
    paths = {key: {channel for _, channel in path} for key, path in journeys(shop).items()}
    columns = ("conversion_key", "amount")
    amounts: dict[str, float] = dict(shop.rows("fct_conversions", columns))
    channels = sorted(set().union(*paths.values()))
    expected = dict.fromkeys(channels, 0.0)
    for order in itertools.permutations(channels):
        for place, channel in enumerate(order):
            before, after = set(order[:place]), {*order[: place + 1]}
            expected[channel] += worth(paths, amounts, after) - worth(paths, amounts, before)
    count = len(list(itertools.permutations(channels)))
    found = dict(
        shop.execute(
            "SELECT channel, sum(amount) FROM {} WHERE model = 'shapley' GROUP BY channel",
            "fct_credits",
        )
    )
    assert found == pytest.approx({key: value / count for key, value in expected.items()})


def worth(
    paths: Mapping[str, set[str]], amounts: Mapping[str, float], coalition: set[str]
) -> float:
    """Amount of the conversions that these channels reach without any other."""
    return sum(amounts[key] for key, path in paths.items() if path <= coalition)


def expected_credits(path: Sequence[str], effects: Mapping[str, float]) -> dict[str, Any]:
    """Credit by channel of a path, for the models that its channels alone decide."""
    count = len(path)
    if count <= 2:
        positions = [1 / count] * count
    else:
        positions = [0.4, *[0.2 / (count - 2)] * (count - 2), 0.4]
    placed = list(zip(positions, path, strict=True))
    effect = sum(effects[channel] for channel in set(path))
    not_direct = [channel for channel in path if channel != "Direct"] or path
    return {
        "first": {path[0]: 1},
        "last": {path[-1]: 1},
        "last_non_direct": {not_direct[-1]: 1},
        "linear": {channel: path.count(channel) / count for channel in path},
        "position_40_20_40": {
            channel: sum(share for share, own in placed if own == channel) for channel in path
        },
        "shapley": {channel: 1 / len(set(path)) for channel in path},
        "markov_1": {channel: effects[channel] / effect for channel in path},
    }


def removal_effects(
    converting: Sequence[Sequence[str]], others: Sequence[Sequence[str]]
) -> dict[str, float]:
    """Removal effects by solving the chain anew without each channel, in fractions."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for path, end in itertools.chain(
        zip(converting, itertools.repeat(END)), zip(others, itertools.repeat(NULL))
    ):
        for state, following in itertools.pairwise(("(start)", *path, end)):
            counts[state][following] += 1
    channels = sorted(counts.keys() - {"(start)"})
    whole = conversion_rate(counts, removed=None)
    return {each: float(1 - conversion_rate(counts, removed=each) / whole) for each in channels}


def conversion_rate(counts: Mapping[str, Counter[str]], removed: str | None) -> Fraction:
    """Probability of a conversion, where every transition into `removed` leads nowhere."""
    states = [state for state in counts if state != removed]
    place = {state: number for number, state in enumerate(states)}
    # a row is an equation: c(state) - sum of p * c(following) = probability to convert next
    rows = []
    for state in states:
        total = counts[state].total()
        row = [Fraction(number == place[state]) for number in range(len(states))]
        for following, count in counts[state].items():
            if following in place:
                row[place[following]] -= Fraction(count, total)
        rows.append([*row, Fraction(counts[state][END], total)])
    return solved(rows)[place["(start)"]]


def solved(rows: list[list[Fraction]]) -> list[Fraction]:
    """Solve linear equations by Gauss and Jordan; the last column is the right-hand side."""
    for column in range(len(rows)):
        pivot = next(at for at in range(column, len(rows)) if rows[at][column])
        rows[column], rows[pivot] = rows[pivot], rows[column]
        rows[column] = [value / rows[column][column] for value in rows[column]]
        for at, row in enumerate(rows):
            if at != column and row[column]:
                rows[at] = [
                    value - row[column] * own for value, own in zip(row, rows[column], strict=True)
                ]
    return [row[-1] for row in rows]


def published_cases() -> Iterator[Any]:
    """Paths, null paths and removal effects that can be worked out by hand."""
    # C > A converts once in two, A once in one
    yield pytest.param([["A"], ["B", "A"]], [["B"]], {"A": 1.0, "B": 0.5}, id="two channels")
    yield pytest.param([["A"]], [], {"A": 1.0}, id="one path")
    yield pytest.param([["A", "B", "A", "B"]], [], {"A": 1.0, "B": 1.0}, id="ping-pong")


@pytest.mark.parametrize(("converting", "others", "expected"), list(published_cases()))
def test_the_independent_calculation_is_right(
    converting: list[list[str]], others: list[list[str]], expected: dict[str, float]
) -> None:
    assert removal_effects(converting, others) == pytest.approx(expected)
