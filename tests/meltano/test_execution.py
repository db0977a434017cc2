"""A run of `attribution-elt` and its Meltano."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from attribution_elt.cli.display import Lines
from attribution_elt.meltano.execution import execute
from attribution_elt.meltano.process import Meltano


@pytest.fixture
def ignored() -> Iterator[None]:
    """Ignore SIGHUP, as `nohup` does."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("ignored")
def test_a_run_under_nohup_survives_the_end_of_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meltano = tmp_path / "meltano"
    meltano.write_text("#!/bin/sh\nsleep 0.2\nkill -HUP $PPID\n")
    meltano.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    outcome = execute(Meltano("dev"), ["tap-ecdp"], Lines())
    assert (outcome.exit_code, outcome.interrupted) == (0, False)
