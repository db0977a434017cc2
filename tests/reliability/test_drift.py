"""A vendor that changes its responses: no value is lost, and one warning names the change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reliability.drift import judge
from tests.reliability.drift_changes import DRIFTS, Drift
from tests.reliability.faults_benches import Bench
from tests.reliability.faults_vendors import open_benches


@pytest.fixture(scope="module")
def benches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Bench]]:
    with open_benches(tmp_path_factory.mktemp("benches")) as (benches, _):
        yield benches


@pytest.mark.parametrize("drift", DRIFTS, ids=str)
def test_no_value_is_lost(benches: list[Bench], drift: Drift, tmp_path: Path) -> None:
    """One vendor where the drift can happen; test_matrix.py has all of them."""
    first = DRIFTS.index(drift) % len(benches)
    in_turn = (judge(bench, drift, tmp_path) for bench in benches[first:] + benches[:first])
    assert next(wrong for wrong in in_turn if wrong is not None) == []
