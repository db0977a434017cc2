"""The process: signals, exit codes, and settings of the interpreter that make it faster.

Gains were measured on two cores with Python 3.11.
"""

from __future__ import annotations

import fcntl
import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from attribution_elt.core.errors import OneLineError

COLLECTOR_THRESHOLD = 100_000
"""Objects created before the garbage collector searches for cycles; records and rows have none.

With Python's default of 700, the collector took 11 % of the time in which tap-ecdp shapes and
writes 100,000 orders; with this threshold, it does not run.
"""
SWITCH_INTERVAL = 0.0005
"""Seconds after which a busy thread yields to others; Python's default is 0.005.

Next to a busy thread, a thread that exchanges messages with a server made 25 to 50 % more round
trips.
"""

PIPE_SIZE, _DEFAULT_PIPE_SIZE = 1 << 20, 1 << 16
"""Bytes that a pipe between tap and loader holds, and the size that Linux gives to pipes.

With the size of Linux, both wait for each other: a feed of 200,000 products took 6.0 instead of
4.8 s.
"""


def collect_rarely() -> None:
    """Tune the garbage collector for a process that makes many objects and few cycles."""
    gc.freeze()  # the collector skips modules imported so far, at exit too
    gc.set_threshold(COLLECTOR_THRESHOLD)


def switch_often() -> None:
    """Switch threads more often: one thread feeds a server while another one computes."""
    sys.setswitchinterval(SWITCH_INTERVAL)


def widen_pipes() -> None:
    """Enlarge the pipes on standard input and output, unless somebody has set their sizes."""
    for pipe in (0, 1):
        with suppress(AttributeError, OSError):  # only Linux has these sizes, for pipes alone
            if fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ) == _DEFAULT_PIPE_SIZE:
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_SIZE)


def on_signals(stop: Callable[[int], None]) -> None:
    """Call `stop` with the number of each SIGINT and SIGTERM; only the main thread can set this.

    A signal that arrives while the interpreter exits has no effect: the exit code is set by then.
    """

    def handle(number: int, _frame: FrameType | None) -> None:
        if threading.main_thread().is_alive():
            stop(number)

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, handle)


@contextmanager
def handling(
    numbers: Iterable[int], handle: Callable[[int, FrameType | None], object]
) -> Iterator[None]:
    """Handle signals, and restore the handlers that they had; only the main thread can do this."""
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def exit_code(number: int) -> int:
    """Return the exit code of a process that a signal ended: an interrupted run has failed."""
    return 128 + number


def end_at_signals() -> None:
    """End the process at SIGINT and SIGTERM, with the exit code of the signal."""
    on_signals(lambda number: sys.exit(exit_code(number)))


def open_standard_streams() -> None:
    """Open standard streams that are closed, so that no file takes their numbers."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - of the process
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.StreamHandler) and handler.stream is None:
                handler.setStream(sys.stderr)


def require_output() -> None:
    """Raise OneLineError if the parent process has closed the standard output."""
    if sys.stdout is None:
        raise OneLineError("standard output is closed: messages cannot be written")
