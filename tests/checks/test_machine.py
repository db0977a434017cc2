from __future__ import annotations

import shutil
from typing import NamedTuple

import pytest

from attribution_elt.checks import machine


class Usage(NamedTuple):
    free: int


def test_enough_disk_space_is_not_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(5 << 30))
    (fact,) = machine.finding().facts
    assert fact.startswith("5.0 GiB free in ")


def test_too_little_room_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1 << 28))
    (problem,) = machine.finding().problems
    assert problem.startswith("0.2 GiB free in ")
    assert problem.endswith("make room or set TMPDIR")


def test_a_folder_that_cannot_be_written_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/nowhere/to/be/found")
    (problem,) = machine.finding().problems
    assert problem.endswith("set TMPDIR")
