"""The sandbox in the background, and the env file that connects taps with it."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

from dotenv import dotenv_values

from tests.pipeline.meltano import TAPS

SANDBOX = [sys.executable, "-m", "attribution_elt.sandbox"]


def test_the_env_file_has_settings_for_every_tap_and_the_sandbox_responds(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.env"
    subprocess.run([*SANDBOX, "--env", path], check=True, capture_output=True, timeout=60)
    found = dotenv_values(path)
    pid = int(str(found["SANDBOX_PID"]))
    try:
        for tap in TAPS:
            assert f"{tap}_api_url".upper().replace("-", "_") in found
        sourced = subprocess.run(
            ["bash", "-c", f"source {path}; echo $TAP_IGNITE_WEBSITES"],
            check=True,
            capture_output=True,
            text=True,
        )
        assert sourced.stdout.strip() == found["TAP_IGNITE_WEBSITES"]
        with urllib.request.urlopen(f"{found['SANDBOX_URL']}/_sandbox/truth/ecdp") as response:
            assert response.status == 200
    finally:
        os.kill(pid, signal.SIGTERM)


def test_a_port_that_is_taken_fails_with_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        command = [*SANDBOX, f"--port={port}", "--env", str(tmp_path / "sandbox.env")]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"cannot serve on port {port}: {os.strerror(errno.EADDRINUSE)}"
    ]
