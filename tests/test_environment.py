"""`scripts/environment`: what it prints while it installs, and when it installs again."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
UV = """#!/bin/sh
case $1 in
  venv) mkdir -p .venv/bin && ln -s {python} .venv/bin/python ;;
  pip) echo "Resolved 9 packages"; echo "Installed 9 packages"; echo "$@" >>asked; exit {code} ;;
esac
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a project whose uv installs nothing."""
    (tmp_path / "scripts").mkdir()
    for name in ("scripts/environment", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    fake(tmp_path)
    return tmp_path


def fake(folder: Path, code: int = 0) -> None:
    """Make uv exit with a code."""
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin" / "uv").write_text(UV.format(python=sys.executable, code=code))
    (folder / "bin" / "uv").chmod(0o755)


def source(folder: Path, *, extra: str, terminal: bool = False) -> tuple[int, str]:
    """Source the script; return its exit code, and what it writes to the standard error."""
    leader, follower = pty.openpty() if terminal else os.pipe()
    path = f"{folder / 'bin'}:{Path(sys.executable).parent}:/usr/bin:/bin"
    done = subprocess.run(
        ["bash", "-c", f"extra={extra} source scripts/environment"],
        cwd=folder,
        env={"PATH": path, "HOME": str(folder)},
        stderr=follower,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    os.close(follower)
    shown = os.read(leader, 65536).decode() if terminal or done.returncode else ""
    if not terminal and not done.returncode:
        with os.fdopen(leader) as pipe:
            return 0, pipe.read()
    os.close(leader)
    return done.returncode, shown


def test_an_installation_names_its_room_and_shows_progress(folder: Path) -> None:
    code, shown = source(folder, extra="run", terminal=True)
    assert code == 0
    assert "Installing into .venv (run): a minute or two, about 400 MB; 800 MB with dev" in shown
    assert "\r\x1b[KResolved 9 packages" in shown
    assert "\r\x1b[KInstalled 9 packages\r\x1b[K" in shown


def test_a_log_file_gets_one_line(folder: Path) -> None:
    _, shown = source(folder, extra="run")
    (line,) = shown.splitlines()
    assert line.startswith("Installing into .venv (run)")


def test_users_get_no_tools_of_developers(folder: Path) -> None:
    source(folder, extra="run")
    assert (folder / "asked").read_text().split()[-1] == ".[run]"
    source(folder, extra="dev")
    assert (folder / "asked").read_text().split()[-1] == ".[dev,run]"


def test_a_second_start_installs_nothing(folder: Path) -> None:
    source(folder, extra="run")
    assert source(folder, extra="run") == (0, "")
    assert len((folder / "asked").read_text().splitlines()) == 1


def test_a_failed_installation_shows_its_output_and_is_tried_again(folder: Path) -> None:
    fake(folder, code=3)
    code, shown = source(folder, extra="run")
    assert code != 0
    assert "Resolved 9 packages\nInstalled 9 packages\n" in shown
    fake(folder)
    assert source(folder, extra="run")[0] == 0


def test_a_locale_without_utf_8_gets_it(folder: Path) -> None:
    for given, wanted in (("C", "C.UTF-8"), ("POSIX", "C.UTF-8"), ("de_DE.UTF-8", "de_DE.UTF-8")):
        script = f"export LC_ALL={given}; source scripts/environment; echo $LC_ALL >locale"
        path = f"{folder / 'bin'}:{Path(sys.executable).parent}:/usr/bin:/bin"
        subprocess.run(["bash", "-c", script], cwd=folder, env={"PATH": path}, check=True)
        assert (folder / "locale").read_text().strip() == wanted
