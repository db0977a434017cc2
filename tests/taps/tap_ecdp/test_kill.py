"""A run that a signal stops loses nothing."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from attribution_elt.sandbox import Sandbox
from tests.tap_process import Output, command, environment, merged
from tests.taps.tap_ecdp.helpers import matches_truth, run_here, settings


def stopped(folder: Path, config: dict[str, Any], lines: int, by: signal.Signals) -> Output:
    """Run the tap until it has written this number of lines, then stop it."""
    with (
        (folder / "stderr").open("wb") as stderr,
        subprocess.Popen(
            command(folder, "tap-ecdp", config=config),
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=environment("INFO"),
        ) as process,
    ):
        assert process.stdout is not None
        read = b"".join(process.stdout.readline() for _ in range(lines))
        process.send_signal(by)
        read += process.stdout.read()
    return Output(read, (folder / "stderr").read_text(), process.returncode)


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_stopped_by_a_signal_exits_with_its_code(
    small: Sandbox, tmp_path: Path, by: signal.Signals
) -> None:
    small.ecdp.latency = 0.1
    config = settings(small, window_days=1, max_concurrent_requests=1, lookback_days=3)
    ended = stopped(tmp_path, config, 20, by)
    assert ended.code == 128 + by
    assert "Traceback" not in ended.stderr
    small.ecdp.latency = 0
    assert matches_truth(small, ended, run_here(config, state=merged(*ended.states)))


def test_a_loader_that_dies_ends_the_run_with_one_line(sandbox: Sandbox, tmp_path: Path) -> None:
    config = settings(sandbox, window_days=1)
    with (
        (tmp_path / "stderr").open("wb") as stderr,
        subprocess.Popen(
            command(tmp_path, "tap-ecdp", config=config),
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=environment("DEBUG"),
        ) as process,
    ):
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(30) == 1
    log = (tmp_path / "stderr").read_text()
    errors = [line for line in log.splitlines() if "| ERROR" in line]
    assert len(errors) == 1
    assert "closed the pipe" in errors[0]
    assert "Traceback" not in log
