"""The benchmark of `docs/models/truth.md`, in small."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType

import pytest

from tests.transform.shop import PROJECT


@pytest.fixture(scope="module")
def truth() -> Iterator[ModuleType]:
    """The module of the benchmark."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(PROJECT / "benchmarks")
        yield importlib.import_module("truth")


def test_a_seed_gives_the_same_errors_to_the_digit(truth: ModuleType) -> None:
    world = truth.WORLDS["retargeting"]
    found = [truth.errors(truth.simulate(world, "retargeting", 3, 400)) for _ in range(2)]
    first, second = ({model: f"{error:.9f}" for model, error in each.items()} for each in found)
    assert first == second
    assert len(set(first.values())) > 4
    assert truth.simulate(world, "retargeting", 4, 400) != truth.simulate(
        world, "retargeting", 3, 400
    )


def test_models_that_see_the_cause_alone_have_no_error(truth: ModuleType) -> None:
    """Every person has one touch, which causes the purchase: all models credit its channel."""
    journeys = truth.Journeys()
    for number, channel in enumerate(("Email", "Display", "Email", "Paid Search")):
        journeys.touches.append((f"p{number}", truth.FIRST_DAY, channel))
        journeys.purchases.append((f"p{number}", truth.FIRST_DAY.replace(day=2)))
        journeys.causes[channel] += 1
    assert truth.errors(journeys) == dict.fromkeys(truth.MODELS, 0.0)


def test_the_rules_of_a_world_decide_what_causes_purchases(truth: ModuleType) -> None:
    plain = truth.WORLDS["affiliate poaching"]
    causes = truth.simulate(plain, "any", 1, 3000).causes
    assert set(causes) == {*plain.effects, "Direct"}
    harmless = replace(plain, effects=dict.fromkeys(plain.effects, 0.0))
    found = truth.simulate(harmless, "any", 1, 3000)
    assert set(found.causes) == {"Direct"}
    poached = sum(channel == "Affiliates" for _, _, channel in found.touches)
    honest = truth.simulate(replace(harmless, closing={}), "any", 1, 3000)
    assert poached > sum(channel == "Affiliates" for _, _, channel in honest.touches)
