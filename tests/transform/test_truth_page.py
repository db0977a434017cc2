"""The figures of `docs/models/truth.md`."""

from __future__ import annotations

import subprocess
import sys

from tests.transform.shop import PROJECT


def test_the_page_has_the_figures_to_the_digit() -> None:
    command = [sys.executable, str(PROJECT / "benchmarks" / "truth.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
