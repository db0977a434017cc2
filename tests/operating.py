"""Runs `attribution-elt` as a user does, in a temporary project."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tap_adtraction.tap import TapAdtraction
from tap_attribution_io.tap import TapAttributionIo
from tap_ecdp.tap import TapEcdp
from tap_ignite.tap import TapIgnite
from tap_ihc.tap import TapIhc

from attribution_elt.kit.tap import VendorTap
from attribution_elt.meltano.project import Extractor
from attribution_elt.sandbox import Sandbox
from attribution_elt.sandbox.faults import Fault
from attribution_elt.sandbox.messages import Request
from tests.pipeline.meltano import SCRIPTS, environment, run_script, settings

TAP_TYPES: tuple[type[VendorTap], ...] = (
    TapEcdp,
    TapAdtraction,
    TapIgnite,
    TapAttributionIo,
    TapIhc,
)


def variables(sandbox: Sandbox, taps: Iterable[str], **more: str) -> dict[str, str]:
    """Return the environment of a user with accounts at these taps' vendors."""
    every = {tap: config for tap, config in settings(sandbox).items() if tap in taps}
    return environment(every, **more)


def attribution_elt(
    folder: Path, variables: Mapping[str, str], *arguments: str, seconds: float = 300
) -> subprocess.CompletedProcess[str]:
    """Run the console script to its end."""
    return run_script("attribution-elt", folder, variables, *arguments, seconds=seconds)


def interrupted(
    sandbox: Sandbox, number: signal.Signals, folder: Path, *arguments: str
) -> tuple[int, str]:
    """Send a signal at tap-ecdp's first request; return the exit code and the standard output."""
    asked = threading.Event()

    def note(_: Request) -> bool:
        asked.set()
        return True

    sandbox.ecdp.faults.add(Fault("slow", times=None, match=note, delay=2))
    with subprocess.Popen(
        [str(SCRIPTS / "attribution-elt"), *arguments],
        cwd=folder,
        env=variables(sandbox, ["tap-ecdp"], TAP_ECDP_WINDOW_DAYS="1"),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert asked.wait(240)
        process.send_signal(number)
        printed, _ = process.communicate(timeout=60)
    return process.returncode, printed


def at_a_terminal(
    folder: Path, variables: Mapping[str, str], *arguments: str
) -> tuple[int, list[str]]:
    """Run the console script at a terminal; return its exit code and every line that it showed."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [str(SCRIPTS / "attribution-elt"), *arguments],
        cwd=folder,
        env={**variables, "TERM": "xterm", "NO_COLOR": ""},
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # raised when the terminal closes
            while read := os.read(ours, 4096):
                shown += read
    os.close(ours)
    return process.returncode, [line for line in shown.decode().splitlines() if line.strip()]


def extractor(sandbox: Sandbox, tap: type[VendorTap], **changes: Any) -> Extractor:
    """Return an extractor of the project, with settings that connect it with the sandbox."""
    given = {**settings(sandbox)[tap.name], **changes}
    return Extractor(tap.name, tap, tap.name.replace("-", "_"), given)
