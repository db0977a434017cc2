"""The wheel in clean environments: it runs, and installs only the needed drivers."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXECUTABLES = sorted(PROJECT["scripts"])
PLUGINS = [name for name in EXECUTABLES if name != "attribution-elt"]
PYTHONS = (*(pytest.param(each, marks=pytest.mark.long) for each in ("3.11", "3.12")), "3.13")
DRIVERS = {"duckdb", "duckdb-engine", "psycopg", "psycopg-binary", "pyarrow", "pytz"}
UV = Path(sys.executable).with_name("uv")


def call(*command: str | Path, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, input=given, capture_output=True, text=True, check=False)


def interpreter(version: str) -> str | None:
    """A Python of this version: this one, one on the PATH, or one of pyenv's."""
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        return sys.executable
    kept = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
    found = shutil.which(f"python{version}")
    candidates = [*([found] if found else []), *map(str, reversed(kept))]
    return next((each for each in candidates if runs(each, version)), None)


def runs(python: str, version: str) -> bool:
    """Return whether an executable runs this Python version: pyenv's shims may run none."""
    code = "import sys; print('{}.{}'.format(*sys.version_info))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip() == version


def environment(folder: Path, python: str, *requirements: str) -> Path:
    """Make an environment with these installed; the folder of its executables."""
    venv = folder / "venv"
    subprocess.run([UV, "venv", "--quiet", "--python", python, venv], check=True)
    install = (UV, "pip", "install", "--quiet", "--python", venv / "bin" / "python")
    done = call(*install, "--constraints", ROOT / "constraints.txt", *requirements)
    assert done.returncode == 0, done.stderr
    return venv / "bin"


def test_the_wheel_installs_only_the_documented_packages(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    folders = [*ROOT.glob("taps/tap_*"), *ROOT.glob("targets/target_*")]
    packages = {"attribution_elt", "schemas", *(each.name for each in folders)}
    top = {name.partition("/")[0] for name in names}
    assert {each for each in top if not each.endswith(".dist-info")} == packages
    assert {f"{package}/py.typed" for package in packages} <= set(names)
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert [name for name in names if name.endswith((".pyc", ".env"))] == []


@pytest.fixture(scope="module")
def plain(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of executables after `pip install attribution-elt`."""
    return environment(tmp_path_factory.mktemp("plain"), sys.executable, str(wheel))


@pytest.mark.parametrize("version", PYTHONS)
def test_every_executable_runs_in_a_clean_environment(
    version: str, wheel: Path, tmp_path: Path
) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"there is no Python {version} on this machine")
    scripts = environment(tmp_path, python, f"{wheel}[duckdb]")
    with ThreadPoolExecutor() as pool:
        versions = list(pool.map(lambda name: call(scripts / name, "--version"), EXECUTABLES))
        abouts = list(
            pool.map(lambda name: call(scripts / name, "--about", "--format=json"), PLUGINS)
        )
    for name, printed in zip(EXECUTABLES, versions, strict=True):
        assert printed.stdout.startswith(f"{name} v{PROJECT['version']}"), printed.stderr
        assert "Warning" not in printed.stderr
    for name, about in zip(PLUGINS, abouts, strict=True):
        assert json.loads(about.stdout)["name"] == name
        assert "Warning" not in about.stderr


def test_a_plain_install_brings_no_driver(plain: Path) -> None:
    listed = call(UV, "pip", "list", "--python", plain / "python", "--format=json").stdout
    installed = {each["name"] for each in json.loads(listed)}
    assert "singer-sdk" in installed
    assert installed & (DRIVERS | {"meltano"}) == set()


@pytest.mark.parametrize(
    ("url", "extra"), [("duckdb:///w.duckdb", "duckdb"), ("postgresql://nobody@/db", "postgres")]
)
def test_a_warehouse_without_its_extra_is_a_clear_error(
    url: str, extra: str, plain: Path, tmp_path: Path
) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"url": url}))
    schema = {
        "type": "SCHEMA",
        "stream": "a",
        "key_properties": [],
        "schema": {"type": "object", "properties": {"x": {"type": "integer"}}},
    }
    done = call(plain / "target-warehouse", "--config", config, given=json.dumps(schema) + "\n")
    assert done.returncode == 1
    assert f"pip install 'attribution-elt[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("given", "printed"),
    [
        ({"journeys_file": "sessions.parquet"}, "pip install 'attribution-elt[parquet]'"),
        (
            {"journeys_url": "postgresql+psycopg://nobody@/db", "journeys_query": "SELECT 1"},
            "pip install 'attribution-elt[postgres]'",
        ),
        (
            {"journeys_url": "duckdb:///w.duckdb", "journeys_query": "SELECT 1"},
            "pip install 'attribution-elt[duckdb]'",
        ),
    ],
    ids=["parquet", "postgres", "duckdb"],
)
def test_a_source_of_journeys_without_its_extra_is_a_clear_error(
    given: dict[str, str], printed: str, plain: Path, tmp_path: Path
) -> None:
    (tmp_path / "sessions.parquet").touch()
    given = {
        name: str(tmp_path / value) if name == "journeys_file" else value
        for name, value in given.items()
    }
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"api_key": "k", "conv_type_id": "t", **given}))
    done = call(plain / "tap-ihc", "--config", config)
    assert done.returncode == 1
    assert printed in done.stderr
    assert "Traceback" not in done.stderr
