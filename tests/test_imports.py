from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FOLDERS = ("attribution_elt", "schemas", "taps", "targets")
LINT = Path(sys.executable).with_name("lint-imports")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The packages and the rules, in a folder of their own."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for folder in FOLDERS:
        ignored = shutil.ignore_patterns("__pycache__", "*.json", "*.csv", "*.sql")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    return tmp_path


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(str(folder / each) for each in ("", "taps", "targets"))
    return subprocess.run(
        [LINT, "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_package_of_the_wheel_is_under_the_import_rules() -> None:
    installed = {"attribution_elt", "schemas"}
    for folder in ("taps", "targets"):
        installed |= {each.parent.name for each in (ROOT / folder).glob("*/__init__.py")}
    assert set(PROJECT["tool"]["importlinter"]["root_packages"]) == installed


def test_rules_and_architecture_page_name_every_package() -> None:
    packages = {
        f"attribution_elt.{each.parent.name}"
        for each in (ROOT / "attribution_elt").glob("*/__init__.py")
    }
    contracts = {each["id"]: each for each in PROJECT["tool"]["importlinter"]["contracts"]}
    layers = " ".join(contracts["layers"]["layers"]).split()
    page = (ROOT / "docs/contributing/architecture.md").read_text()
    assert packages - {"attribution_elt.sandbox"} == {
        each for each in layers if each.startswith("attribution_elt.")
    }
    assert packages - {"attribution_elt.sandbox"} < {*contracts["sandbox"]["forbidden_modules"]}
    assert {each for each in packages if f"| `{each}` |" not in page} == set()


@pytest.mark.parametrize(
    ("module", "line", "rule"),
    [
        (
            "attribution_elt/kit/run.py",
            "from attribution_elt.kit.reader import Reader",
            "No module imports itself through others",
        ),
        (
            "attribution_elt/core/dates.py",
            "from attribution_elt.kit.errors import PluginError",
            "A package imports only packages below it",
        ),
        (
            "taps/tap_ecdp/client.py",
            "from tap_ihc.client import ACCOUNT as OTHER",
            "Vendors are independent of each other",
        ),
        (
            "targets/target_warehouse/loader.py",
            "import duckdb",
            "Only the modules of warehouses import drivers",
        ),
    ],
)
def test_an_import_against_the_rules_fails(copy: Path, module: str, line: str, rule: str) -> None:
    path = copy / module
    path.write_text(f"{path.read_text()}\n{line}\n")
    done = lint(copy)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{rule} BROKEN" in " ".join(done.stdout.split())
