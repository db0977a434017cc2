"""Time, CPU and memory of processes."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psutil

SAMPLED = 0.05  # seconds between samples of the memory
FAULT = re.compile(r"(Error|Exception|errors\.\w+): ")


@dataclass(frozen=True)
class Cost:
    """The costs of processes and their children, from start to exit."""

    seconds: float
    cpu: float
    """Seconds, user and system."""
    megabytes: float
    """Peak memory of all processes together."""
    failure: str
    """The last line of each failed process, or its last line that names an error."""


def measure(*commands: list[str], source: Path | None = None) -> Cost:
    """Run a command or a pipe of commands, with a file as the first one's stdin if given."""
    with ExitStack() as stack:
        stdin: Any = stack.enter_context(source.open("rb")) if source else subprocess.DEVNULL
        started = time.perf_counter()
        running: list[tuple[subprocess.Popen[bytes], IO[bytes]]] = []
        for command in commands:
            stderr = stack.enter_context(tempfile.TemporaryFile())
            last = len(running) == len(commands) - 1
            process = subprocess.Popen(  # noqa: S603 - our own command line
                command,
                stdin=stdin,
                stdout=subprocess.DEVNULL if last else subprocess.PIPE,
                stderr=stderr,
            )
            if running:  # else the writer would not notice that the reader has ended
                stdin.close()
            stdin = process.stdout
            running.append((process, stderr))
        memory = Memory([process.pid for process, _ in running])
        usages = [_wait(process) for process, _ in running]
        return Cost(
            time.perf_counter() - started,
            sum(usage.ru_utime + usage.ru_stime for usage in usages),
            memory.peak(),  # usage.ru_maxrss would include this process's own memory
            "; ".join(_last_line(stderr) for process, stderr in running if process.returncode),
        )


def _wait(process: subprocess.Popen[bytes]) -> resource.struct_rusage:
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage


def _last_line(stderr: IO[bytes]) -> str:
    stderr.seek(0)
    lines = stderr.read().decode().strip().splitlines() or ["?"]
    return next((line for line in reversed(lines) if FAULT.search(line)), lines[-1])


class Memory:
    """Watches the memory of processes and their children."""

    def __init__(self, pids: Sequence[int]) -> None:
        self._pids = pids
        self._peak = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def peak(self) -> float:
        """Stop watching; return the peak in MB."""
        self._ended.set()
        self._thread.join()
        return self._peak / (1 << 20)

    def _watch(self) -> None:
        while not self._ended.wait(SAMPLED):
            self._peak = max(self._peak, sum(map(self._of_family, self._pids)))

    def _of_family(self, pid: int) -> int:
        try:
            process = psutil.Process(pid)
            family = [process, *process.children(recursive=True)]
            alone = len(family) == len(self._pids) == 1
            return sum(_used(each, alone=alone) for each in family)
        except psutil.Error:  # a process has just ended
            return 0


def _used(process: psutil.Process, *, alone: bool) -> int:
    """Return resident bytes; forked processes divide their shared memory."""
    used: int = process.memory_info().rss if alone else process.memory_full_info().pss
    return used
