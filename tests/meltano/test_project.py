"""The Meltano environment of a project, which decides what `meltano compile` resolves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from attribution_elt.core.errors import OpsError
from attribution_elt.meltano.project import Project

MELTANO = """#!/bin/sh
echo "$@" >>calls
for argument; do case $argument in --directory=*) folder=${argument#*=} ;; esac; done
echo '{"plugins": {}, "jobs": [{"name": "all", "tasks": []}]}' >"$folder/meltano-manifest.any.json"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project in the working folder, with a Meltano that records its calls."""
    (tmp_path / "meltano").write_text(MELTANO)
    (tmp_path / "meltano").chmod(0o755)
    (tmp_path / "meltano.yml").write_text("default_environment: dev\n")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("MELTANO_DEFAULT_ENVIRONMENT", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_only_the_default_environment_is_compiled_and_only_once(folder: Path) -> None:
    project = Project(None)
    assert [job.name for job in project.jobs] == ["all"]
    assert project.schedules == []
    (call,) = (folder / "calls").read_text().splitlines()
    assert "--environment=dev " in call


def test_an_environment_can_be_chosen(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MELTANO_DEFAULT_ENVIRONMENT", "staging")
    assert Project(None).environment == "staging"
    assert Project("prod").environment == "prod"
    monkeypatch.setenv("MELTANO_DEFAULT_ENVIRONMENT", "")
    monkeypatch.setenv("STAGE", "qa")
    (folder / "meltano.yml").write_text("default_environment: ${STAGE}\n")
    assert Project(None).environment == "qa"


def test_a_project_without_a_default_needs_a_choice(folder: Path) -> None:
    (folder / "meltano.yml").write_text("version: 1\n")
    with pytest.raises(OpsError, match="no default environment: choose one by --environment"):
        Project(None).jobs  # noqa: B018 - it raises
