"""Signals end a process with their exit code, and leave one alone that is exiting."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import atexit, os, signal
from attribution_elt.core.runtime import end_at_signals
end_at_signals()
interrupt = lambda: os.kill(os.getpid(), signal.SIGTERM)
"""


@pytest.mark.parametrize(
    ("when", "code"), [("interrupt()", 143), ("atexit.register(interrupt)", 0)]
)
def test_a_signal_prints_nothing(when: str, code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM + when], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")
