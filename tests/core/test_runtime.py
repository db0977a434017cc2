"""Signals end a process with their exit code; pipes get large buffers."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from attribution_elt.core.runtime import PIPE_SIZE

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


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux sets the size of a pipe")
@pytest.mark.parametrize("command", ["tap-ecdp", "target-warehouse", "target-ignite"])
@pytest.mark.parametrize(("size", "enlarged"), [(1 << 16, PIPE_SIZE), (4096, 4096)])
def test_a_plugin_enlarges_pipes_whose_size_nobody_has_set(
    command: str, size: int, enlarged: int, tmp_path: Path
) -> None:
    config = tmp_path / "config.json"
    config.write_text('{"url": "sqlite:///:memory:"}')
    (source, end), (output, sink) = os.pipe(), os.pipe()
    os.close(end)  # the input is empty
    fcntl.fcntl(output, fcntl.F_SETPIPE_SZ, size)
    subprocess.run(
        [Path(sys.executable).with_name(command), "--config", str(config)],
        stdin=source,
        stdout=sink,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    sizes = [fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ) for pipe in (source, output)]
    for pipe in (source, output, sink):
        os.close(pipe)
    assert sizes == [PIPE_SIZE, enlarged]


def test_files_stay_as_they_are(tmp_path: Path) -> None:
    program = "from attribution_elt.core.runtime import widen_pipes; widen_pipes(); print(1)"
    with (tmp_path / "out").open("w+") as output:
        done = subprocess.run(
            [sys.executable, "-c", program], stdin=subprocess.DEVNULL, stdout=output, check=False
        )
        output.seek(0)
        assert (done.returncode, output.read()) == (0, "1\n")
