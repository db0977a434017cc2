"""A run that is killed loses nothing."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from attribution_elt.sandbox.adtraction import Adtraction
from tests.tap_process import killed, merged
from tests.taps.tap_adtraction.helpers import all_bookmarks, bookmarks, complete, run_here, settings

LINES = 250


def after(number: int) -> Callable[[bytes], bool]:
    """Whether as many lines have come."""
    left = iter(range(number, -1, -1))
    return lambda _line: next(left, 0) == 0


@pytest.mark.parametrize("number", [0, *random.Random(4).sample(range(1, LINES), 2)])
def test_killed_at_any_moment_the_next_run_brings_the_rest(
    vendor: Adtraction, tmp_path: Path, number: int
) -> None:
    vendor.latency = 0.02
    config = settings(vendor, max_concurrent_requests=2)
    first = killed(tmp_path, "tap-adtraction", after(number), config=config)
    assert first.code == -signal.SIGKILL
    vendor.latency = 0
    state = merged(*first.states)
    second = run_here(config, state=state)
    assert second.code == 0
    assert complete(vendor, first, second)
    again = {
        f"{row['channel_id']}:{row['program_id']}:{row['feed_id']}"
        for row in second.records("products")
    }
    assert not again & bookmarks(state).keys(), "what was done is not read again"
    assert bookmarks(second.states[-1]) == all_bookmarks(vendor)


@pytest.mark.parametrize("seed", range(5))
def test_whatever_a_loader_had_of_a_run_the_next_one_brings_the_rest(
    vendor: Adtraction, seed: int
) -> None:
    config = settings(vendor)
    whole = run_here(config)
    lines = whole.stdout.splitlines(keepends=True)
    cut = random.Random(seed).randrange(len(lines))
    first = type(whole)(b"".join(lines[:cut]))
    second = run_here(config, state=merged(*first.states))
    assert complete(vendor, first, second)
