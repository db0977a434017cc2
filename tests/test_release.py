"""`scripts/release` builds a release whose bill of materials matches its installation."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from scripts import release

ROOT = Path(__file__).parent.parent


@pytest.mark.long
def test_a_release_is_built_checked_and_described(uv: Path, tmp_path: Path) -> None:
    """It needs the tools of the extra `release`, and a registry."""
    venv = tmp_path / "venv"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, venv], check=True)
    pins = ("--constraints", ROOT / "constraints.txt")
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = tools["optional-dependencies"]["release"]
    python = venv / "bin" / "python"
    subprocess.run([uv, "pip", "install", "-q", "--python", python, *pins, *wanted], check=True)

    command = (python, ROOT / "scripts" / "release.py", "--output", tmp_path / "dist")
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    name = f"attribution_elt-{release.PROJECT['version']}"
    assert {each.name for each in (tmp_path / "dist").iterdir()} == {
        f"{name}.tar.gz",
        f"{name}-py3-none-any.whl",
        f"{name}-py3-none-any.cdx.json",
    }
    text = (tmp_path / "dist" / f"{name}-py3-none-any.cdx.json").read_text()
    document = json.loads(text)
    names = {each["name"] for each in release.components(document)}
    assert {"attribution-elt", "duckdb", "meltano", "psycopg", "singer-sdk"} <= names
    assert not names & {"pytest", "ruff", "dagster", "twine"}
    assert "file://" not in text
    assert str(ROOT) not in text


def test_builds_that_differ_end_the_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builds = iter([{"a.whl": b"1"}, {"a.whl": b"2"}])
    monkeypatch.setattr(release, "build", lambda *_: next(builds))
    monkeypatch.setattr(sys, "argv", ["release", "--output", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"a\.whl differs"):
        release.main()
    assert list(tmp_path.iterdir()) == []


def test_a_version_without_notes_is_not_released(monkeypatch: pytest.MonkeyPatch) -> None:
    release.require_notes()
    monkeypatch.setitem(release.PROJECT, "version", "9.9.9")
    with pytest.raises(SystemExit, match=r"no notes for version 9\.9\.9"):
        release.require_notes()


def test_packages_that_the_list_lacks_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sbom = tmp_path / "s.json"
    package = {"name": "A_b", "version": "1"}
    sbom.write_text(json.dumps({"metadata": {"component": package}, "components": []}))

    def installed(*names: str) -> None:
        answers = iter(["", json.dumps([[name, "1"] for name in names])])
        monkeypatch.setattr(release, "call", lambda *_: next(answers))

    installed("a-b")
    assert release.describe(Path("python"), sbom) == 1
    installed("a-b", "smuggled")
    with pytest.raises(SystemExit, match="smuggled"):
        release.describe(Path("python"), sbom)


def test_only_pyproject_names_the_version() -> None:
    version = release.PROJECT["version"]
    listed = subprocess.run(
        ["git", "grep", "-lF", f'"{version}"', "--", "*.py", "*.toml", "*.yml", "Dockerfile"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert listed.stdout.split() == ["pyproject.toml"]
