"""Runs `meltano run` and reads its log."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

from attribution_elt.core.events import RUN_ID
from attribution_elt.core.runtime import exit_code, handling
from attribution_elt.meltano.display import Display
from attribution_elt.meltano.outcome import Outcome
from attribution_elt.meltano.process import PRIVATE, Meltano
from attribution_elt.meltano.run_log import Pipeline, RunLog


def pipelines(outcomes: Iterable[Outcome]) -> Iterator[Pipeline]:
    """Yield the pipelines of runs."""
    for outcome in outcomes:
        yield from outcome.log.pipelines.values()


def execute(
    meltano: Meltano,
    blocks: Sequence[str],
    display: Display,
    *,
    options: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
) -> Outcome:
    """Run `meltano run` to its end and show its events."""
    run_id = str(uuid.uuid4())
    log = RunLog()
    began = time.monotonic()
    process = subprocess.Popen(  # noqa: S603 - our own command line
        meltano.command("run", f"--run-id={run_id}", *options, *blocks),
        env={**os.environ, **(variables or {}), RUN_ID: run_id},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        umask=PRIVATE,
        process_group=0,  # Meltano and its plugins get each signal once, from this process
    )
    with _forwarding(process) as received, process:
        for line in process.stdout or ():
            event = log.take(line)
            if event is not None:
                display.show(event)
    code = exit_code(received[0]) if received else process.returncode
    seconds = time.monotonic() - began
    return Outcome(run_id, " ".join(blocks), code, log, seconds, interrupted=bool(received))


@contextmanager
def _forwarding(process: subprocess.Popen[str]) -> Iterator[list[int]]:
    """Forward signals to the run; yield the signals received.

    SIGHUP stays ignored if it is, because then `nohup` has started this process.
    """
    received: list[int] = []

    def forward(number: int, _: FrameType | None) -> None:
        received.append(number)
        if process.poll() is None:
            os.killpg(process.pid, number)

    ending = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        ending.append(signal.SIGHUP)
    with handling(ending, forward):
        yield received
