"""Every fault at every endpoint and every drift at every vendor; prints the fault matrix."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.reliability import drift, matrix_processes
from tests.reliability.drift_changes import DRIFTS, Drift
from tests.reliability.faults_vendors import open_benches
from tests.reliability.matrix import cells, judge, table

# pytest cannot report a socket that the garbage collector closes while a deeply nested response
# has exhausted the recursion depth
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def test_every_cell_follows_its_rule(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with open_benches(tmp_path) as (benches, clock):
        verdicts = [(cell, judge(cell, clock)) for cell in cells(benches)]
    with capfd.disabled():
        sys.stdout.write(f"\n{table(verdicts)}\n")
    assert [cell.name for cell, wrong in verdicts if wrong] == []


@pytest.mark.parametrize("change", DRIFTS, ids=str)
def test_no_drift_loses_a_value(tmp_path: Path, change: Drift) -> None:
    with open_benches(tmp_path) as (benches, _):
        verdicts = {bench.name: drift.judge(bench, change, tmp_path) for bench in benches}
    assert {name: wrong for name, wrong in verdicts.items() if wrong} == {}


@pytest.mark.parametrize("vendor", matrix_processes.MIDDLE)
def test_tap_and_loader_processes_survive_a_fault(tmp_path: Path, vendor: str) -> None:
    assert matrix_processes.judge_one(vendor, tmp_path) == []
