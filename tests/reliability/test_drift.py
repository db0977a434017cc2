"""Whatever a vendor changes in its answers: no value is lost, one warning, the run goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reliability.drift import judge
from tests.reliability.drift_changes import DRIFTS, Drift
from tests.reliability.faults_benches import Bench
from tests.reliability.faults_vendors import at_the_sandbox


@pytest.fixture(scope="module")
def benches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Bench]]:
    with at_the_sandbox(tmp_path_factory.mktemp("benches")) as (benches, _):
        yield benches


@pytest.mark.parametrize("drift", DRIFTS, ids=str)
def test_no_value_is_lost(benches: list[Bench], drift: Drift, tmp_path: Path) -> None:
    """At one vendor where it can happen; at all of them in test_matrix.py."""
    first = DRIFTS.index(drift) % len(benches)
    in_turn = (judge(bench, drift, tmp_path) for bench in benches[first:] + benches[:first])
    assert next(wrong for wrong in in_turn if wrong is not None) == []
