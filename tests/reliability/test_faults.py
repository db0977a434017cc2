"""A part of the fault matrix with each fault, endpoint and position."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reliability import matrix_processes
from tests.reliability.faults_benches import Bench
from tests.reliability.faults_clock import SharedClock
from tests.reliability.faults_table import KINDS, Kind
from tests.reliability.faults_vendors import open_benches
from tests.reliability.matrix import Cell, cells, judge

Place = tuple[list[Bench], SharedClock]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with open_benches(tmp_path_factory.mktemp("benches")) as place:
        yield place


def some(every: list[Cell]) -> list[Cell]:
    """Choose cells with each fault, each rule of a vendor, and each position of an endpoint."""
    random.Random(1).shuffle(every)
    chosen: list[Cell] = []
    covered: set[tuple[str, ...]] = set()
    for cell in every:
        rule = (cell.bench.name, cell.kind.rule.name)
        new = {(cell.kind.name,), rule, (cell.place, cell.position)} - covered
        if new:
            covered |= new
            chosen.append(cell)
    return chosen


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_fault_has_the_consequence_of_its_rule(place: Place, kind: object) -> None:
    benches, clock = place
    chosen = [cell for cell in some(list(cells(benches))) if cell.kind is kind]
    assert chosen
    assert {cell.name: wrong for cell in chosen if (wrong := judge(cell, clock))} == {}


def test_every_endpoint_is_hit_at_every_position(place: Place) -> None:
    chosen = some(list(cells(place[0])))
    for bench in place[0]:
        for endpoint in bench.endpoints:
            hit = {cell.position for cell in chosen if cell.endpoint is endpoint}
            assert hit == set(Kind.positions) or len(bench.unit_requests[endpoint.name]) == 1


@pytest.mark.parametrize("vendor", ["ecdp", "adtraction"])
def test_tap_and_loader_processes_survive_a_fault(tmp_path: Path, vendor: str) -> None:
    """Two vendors; test_matrix.py has the others."""
    assert matrix_processes.judge_one(vendor, tmp_path) == []
