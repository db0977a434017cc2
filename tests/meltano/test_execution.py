"""A run of `attribution-elt` and its Meltano."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from attribution_elt.cli.display import Lines
from attribution_elt.meltano.execution import execute
from attribution_elt.meltano.outcome import Outcome
from attribution_elt.meltano.process import Meltano


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Outcome]:
    """Run a script instead of Meltano."""

    def run(script: str) -> Outcome:
        meltano = tmp_path / "meltano"
        meltano.write_text(f"#!/bin/sh\n{script}\n")
        meltano.chmod(0o700)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
        return execute(Meltano("dev"), ["tap-ecdp"], Lines())

    return run


def test_a_run_under_nohup_survives_the_end_of_the_terminal(
    run: Callable[[str], Outcome],
) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    outcome = run("sleep 0.2; kill -HUP $PPID")
    assert (outcome.exit_code, outcome.interrupted) == (0, False)


def test_signals_are_forwarded_until_the_run_has_ended(
    run: Callable[[str], Outcome],
) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("the signal was not forwarded"))
    outcome = run("exec >&- 2>&-; sleep 0.2; kill -TERM $PPID; sleep 30")
    assert (outcome.exit_code, outcome.interrupted) == (128 + signal.SIGTERM, True)
