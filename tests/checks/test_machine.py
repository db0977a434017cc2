from __future__ import annotations

import shutil
from pathlib import Path
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


def test_files_that_others_can_read_are_named(tmp_path: Path) -> None:
    open_file, private, missing = (tmp_path / name for name in ("open", "private", "missing"))
    for path, mode in ((open_file, 0o644), (private, 0o600)):
        path.touch()
        path.chmod(mode)
    found = machine.finding([open_file, private, missing])
    assert f"others can read {open_file}: chmod go= {open_file}" in found.facts
    assert found.passed
    assert not any("others can read" in fact for fact in machine.finding([private]).facts)
