"""Runs `meltano run`, watches it, and ends with a summary."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from attribution_elt.cli.display import Display
from attribution_elt.core.events import RUN_ID
from attribution_elt.meltano.process import Meltano
from attribution_elt.meltano.run_log import RunLog


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    run_id: str
    exit_code: int
    watch: RunLog


def execute(
    meltano: Meltano,
    arguments: Sequence[str],
    display: Display,
    *,
    variables: Mapping[str, str] | None = None,
) -> Outcome:
    """Run `meltano run` with these arguments to its end, showing how far it is.

    Args:
        meltano: in which environment.
        arguments: options and blocks.
        display: where it is shown.
        variables: of the environment, beside our own.
    """
    run_id = str(uuid.uuid4())
    watch = RunLog()
    began = time.monotonic()
    process = subprocess.Popen(  # noqa: S603 - our own command line
        meltano.command("run", f"--run-id={run_id}", *arguments),
        env={**os.environ, **(variables or {}), RUN_ID: run_id},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        process_group=0,  # a signal is handed on once, to Meltano and its plugins
    )
    with process, _handing_on(process) as received:
        for line in process.stdout or ():
            event = watch.take(line)
            if event is not None:
                display.show(event)
    exit_code = 128 + received[0] if received else process.returncode
    display.summarize(watch, run_id=run_id, exit_code=exit_code, seconds=time.monotonic() - began)
    return Outcome(run_id, exit_code, watch)


@contextmanager
def _handing_on(process: subprocess.Popen[str]) -> Iterator[list[int]]:
    """Hand signals that would end us on to the run, and wait for it; yield what came."""
    received: list[int] = []

    def hand_on(number: int, _: FrameType | None) -> None:
        received.append(number)
        if process.poll() is None:
            os.killpg(process.pid, number)

    ending = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, hand_on) for number in ending}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
