"""The Meltano environment of a project, which decides what `meltano compile` resolves."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click import ClickException

from attribution_elt.core.errors import OpsError
from attribution_elt.meltano.project import Project, load_variables

MELTANO = """#!/bin/sh
echo "$@" >>calls
for argument; do case $argument in --directory=*) folder=${argument#*=} ;; esac; done
cat manifest.json >"$folder/meltano-manifest.any.json"
"""

MANIFEST = {
    "plugins": {
        "extractors": [
            {"name": name, "env": {"MELTANO_EXTRACT__LOAD_SCHEMA": name.replace("-", "_")}}
            for name in ("tap-ecdp", "tap-crm")
        ],
        "loaders": [
            {"name": name, "env": {}, "executable": "target-warehouse"}
            for name in ("first", "other")
        ],
    },
    "jobs": [
        {"name": "all", "tasks": []},
        {"name": "crm", "tasks": ["tap-crm a-mapper other"]},
    ],
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project in the working folder, with a Meltano that records its calls."""
    (tmp_path / "meltano").write_text(MELTANO)
    (tmp_path / "meltano").chmod(0o755)
    (tmp_path / "meltano.yml").write_text("default_environment: dev\n")
    (tmp_path / "manifest.json").write_text(json.dumps(MANIFEST))
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("MELTANO_DEFAULT_ENVIRONMENT", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_only_the_default_environment_is_compiled_and_only_once(folder: Path) -> None:
    project = Project(None)
    assert [job.name for job in project.jobs] == ["all", "crm"]
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


@pytest.mark.parametrize("text", ["- a\n", "jobs: [\n", "a: b\n  c: d\n", "\xff".encode("latin-1")])
def test_a_file_that_is_not_valid_is_named_in_one_line(folder: Path, text: str | bytes) -> None:
    (folder / "meltano.yml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(OpsError, match=r"^meltano\.yml is not valid: [^\n]+$"):
        Project(None).environment  # noqa: B018 - it raises


def test_an_empty_file_has_no_default_environment(folder: Path) -> None:
    (folder / "meltano.yml").write_text("")
    with pytest.raises(OpsError, match="no default environment"):
        Project(None).environment  # noqa: B018 - it raises


@pytest.mark.usefixtures("folder")
def test_taps_by_others_have_names_schemas_and_a_loader() -> None:
    project = Project("dev")
    assert project.load_schemas == {"tap-ecdp": "tap_ecdp", "tap-crm": "tap_crm"}
    assert project.extractors_of(["crm", "tap-ecdp", "tap-crm"]) == ["tap-crm", "tap-ecdp"]
    with pytest.raises(OpsError, match="unknown extractor 'all'; choose from tap-ecdp, tap-crm"):
        project.extractors_of(["all"])
    assert (project.loader_of("tap-crm"), project.loader_of("tap-ecdp")) == ("other", "first")


def test_a_file_of_variables_that_cannot_be_read_is_named(folder: Path) -> None:
    (folder / ".env").write_bytes(b"TAP_ECDP_API_KEY=\xff\n")
    with pytest.raises(ClickException, match=r"^\.env: 'utf-8' codec"):
        load_variables()


def test_variables_that_meltano_cannot_read_are_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "meltano").write_text("#!/bin/sh\necho Error: invalid literal >&2\nexit 1\n")
    with pytest.raises(OpsError, match=r"^meltano compile: invalid literal$"):
        Project("dev").jobs  # noqa: B018 - it raises
    monkeypatch.setenv("TAP_ECDP_WINDOW_DAYS", "7d")
    named = (
        r"^setting 'window_days': the environment variable TAP_ECDP_WINDOW_DAYS is not an integer$"
    )
    with pytest.raises(OpsError, match=named):
        Project("dev").jobs  # noqa: B018 - it raises
