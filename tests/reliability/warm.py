"""Starts our executables from a process that has imported them already.

What it forks is a process as any other, with pipes and a command line of its own, that a signal
ends and that says how it ended; only the second is left out that imports take.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from importlib.metadata import entry_points
from typing import Self

from tests.pipeline.meltano import PROJECT

NAMES = (
    *("tap-adtraction", "tap-attribution-io", "tap-ecdp", "tap-ignite", "tap-ihc"),
    "target-warehouse",
)
MODULES = ("psycopg", "target_warehouse.loader", "target_warehouse.warehouses.postgresql")
"""What a run imports late."""


class Child:
    """A process that was forked; it is not ours to be waited for, so it is told how it ended."""

    def __init__(self, news: socket.socket) -> None:
        self.pid = int.from_bytes(news.recv(4), "big")
        self.code: int | None = None
        self._news = news.detach()
        self._lock = threading.Lock()

    def __del__(self) -> None:
        os.close(self._news)

    def send(self, signal_: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it ends at this very moment
                os.kill(self.pid, signal_)

    def poll(self) -> int | None:
        return self.wait(0)

    def wait(self, seconds: float) -> int | None:
        """Its exit code, as `subprocess` has it; None if it goes on."""
        if self.code is None and select.select([self._news], [], [], seconds)[0]:
            with self._lock:  # two threads may wait for it
                if self.code is None:
                    status = int.from_bytes(os.read(self._news, 4), "big")
                    self.code = os.waitstatus_to_exitcode(status)
        return self.code


class Warm:
    """The process that forks, as a context manager."""

    def __enter__(self) -> Self:
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.reliability.warm", str(theirs.fileno())],
                cwd=PROJECT,
                env={**os.environ, "LOGLEVEL": "DEBUG"},  # there is the more to be searched
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._orders.close()
        self._process.wait(10)

    def start(self, command: Sequence[str], *streams: int) -> Child:
        """Start an executable by its name; `streams` are its stdin, stdout and stderr."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            order = json.dumps(list(command)).encode()
            socket.send_fds(self._orders, [order], [*streams, theirs.fileno()])
            return Child(ours)


def serve(orders: socket.socket) -> Callable[[], object]:
    """Fork for each order, until there are none; return, in a fork, what it is to do."""
    running: dict[int, socket.socket] = {}

    def tell(*_: object) -> None:
        while running:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:  # this very handler, begun anew amid itself, had the last
                return
            if not pid:
                return
            with running.pop(pid) as news:
                news.sendall(status.to_bytes(4, "big"))

    executables = _imported()
    signal.signal(signal.SIGCHLD, tell)
    while True:
        order, descriptors, _, _ = socket.recv_fds(orders, 1 << 20, 4)
        if not order:
            return lambda: None
        command = json.loads(order)
        news = socket.socket(fileno=descriptors.pop())
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
        if pid := os.fork():
            running[pid] = news
            news.sendall(pid.to_bytes(4, "big"))
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
            for descriptor in descriptors:
                os.close(descriptor)
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
        for each in (orders, news, *running.values()):
            each.close()
        _take_over(descriptors)
        sys.argv = command
        return executables[command[0]]


def _take_over(descriptors: Sequence[int]) -> None:
    """Make them stdin, stdout and stderr."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)


def _imported() -> dict[str, Callable[[], object]]:
    """The executables by name, with all that they need."""
    found = {
        name: each.load()
        for name in NAMES
        for each in entry_points(group="console_scripts", name=name)
    }
    for module in MODULES:
        import_module(module)
    gc.freeze()
    return found


if __name__ == "__main__":
    # Ends as any program does, a fork when it has done what the executable does.
    sys.exit(serve(socket.socket(fileno=int(sys.argv[1])))())  # type: ignore[arg-type] # a click command exits by itself
