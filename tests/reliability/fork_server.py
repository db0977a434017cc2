"""Starts the executables by forks of a process that has imported them already.

A fork is a process with its own pipes, command line, signals and exit code. It saves the second
that imports take.
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
    *("target-warehouse", "target-adtraction", "target-ignite"),
)
MODULES = ("psycopg", "target_warehouse.loader", "target_warehouse.warehouses.postgresql")
"""Modules that executables import late."""


class Child:
    """A forked process; the fork server sends its exit status, because only parents can wait."""

    def __init__(self, news: socket.socket) -> None:
        self.pid = int.from_bytes(news.recv(4), "big")
        self.code: int | None = None
        self._news = news.detach()
        self._lock = threading.Lock()

    def __del__(self) -> None:
        os.close(self._news)

    def send(self, signal_: signal.Signals) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):  # the process may end at this moment
                os.kill(self.pid, signal_)

    def poll(self) -> int | None:
        return self.wait(0)

    def wait(self, seconds: float) -> int | None:
        """Return the exit code as `subprocess` does, or None if the process still runs."""
        if self.code is None and select.select([self._news], [], [], seconds)[0]:
            with self._lock:  # two threads may wait
                if self.code is None:
                    status = int.from_bytes(os.read(self._news, 4), "big")
                    self.code = os.waitstatus_to_exitcode(status)
        return self.code


class ForkServer:
    """The process that starts the executables, as a context manager."""

    def __enter__(self) -> Self:
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.reliability.fork_server", str(theirs.fileno())],
                cwd=PROJECT,
                env={**os.environ, "LOGLEVEL": "DEBUG"},  # tests search the log for secrets
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._orders.close()
        self._process.wait(10)

    def start(self, command: Sequence[str], *streams: int) -> Child:
        """Start an executable by name, with `streams` as its stdin, stdout and stderr."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            order = json.dumps(list(command)).encode()
            socket.send_fds(self._orders, [order], [*streams, theirs.fileno()])
            return Child(ours)


def serve(orders: socket.socket) -> Callable[[], object]:
    """Fork for each order until the orders end; in a fork, return the executable to run."""
    running: dict[int, socket.socket] = {}
    executables = _imported()
    # A signal that another thread receives does not interrupt a call of this one.
    wakes, woken = socket.socketpair()
    wakes.setblocking(False)
    signal.set_wakeup_fd(wakes.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        ready, _, _ = select.select([orders, woken], [], [])
        if woken in ready:
            woken.recv(1 << 16)
            _report_ended(running)
        if orders not in ready:
            continue
        order, descriptors, _, _ = socket.recv_fds(orders, 1 << 20, 4)
        if not order:
            return lambda: None
        command = json.loads(order)
        news = socket.socket(fileno=descriptors.pop())
        if pid := os.fork():
            running[pid] = news
            news.sendall(pid.to_bytes(4, "big"))
            for descriptor in descriptors:
                os.close(descriptor)
            continue
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for each in (orders, news, wakes, woken, *running.values()):
            each.close()
        _take_over(descriptors)
        sys.argv = command
        return executables[command[0]]


def _report_ended(running: dict[int, socket.socket]) -> None:
    """Send the status of each child that has ended to its starter."""
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        with running.pop(pid) as news, suppress(BrokenPipeError):  # nobody waits any more
            news.sendall(status.to_bytes(4, "big"))


def _take_over(descriptors: Sequence[int]) -> None:
    """Use descriptors as stdin, stdout and stderr."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)


def _imported() -> dict[str, Callable[[], object]]:
    """Import and return the executables by name."""
    found = {
        name: each.load()
        for name in NAMES
        for each in entry_points(group="console_scripts", name=name)
    }
    for module in MODULES:
        import_module(module)
    found["operation"] = lambda: import_module("tests.reliability.operations").main()
    gc.freeze()
    return found


if __name__ == "__main__":
    # the server ends with its orders, a fork with its executable
    sys.exit(serve(socket.socket(fileno=int(sys.argv[1])))())  # type: ignore[arg-type] # a click command exits by itself
