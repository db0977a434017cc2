"""What a process costs."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

SAMPLED = 0.05  # seconds between looks at the memory


@dataclass(frozen=True)
class Cost:
    """What a process and its children took, from start to exit."""

    seconds: float
    cpu: float
    """Seconds, user and system."""
    megabytes: float
    """Memory at the peak, of all of them together."""
    failure: str
    """The last line it wrote, if it failed."""


def measure(command: list[str], source: Path) -> Cost:
    """Run a command with a file on stdin."""
    started = time.perf_counter()
    with (
        source.open("rb") as stdin,
        tempfile.TemporaryFile() as stderr,
        subprocess.Popen(  # noqa: S603 - our own command line
            command, stdin=stdin, stdout=subprocess.DEVNULL, stderr=stderr
        ) as process,
    ):
        memory = Memory(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        stderr.seek(0)
        lines = stderr.read().decode().strip().splitlines()
        return Cost(
            seconds,
            usage.ru_utime + usage.ru_stime,
            memory.peak(),  # not usage.ru_maxrss, which begins with what we ourselves hold
            (lines or ["?"])[-1] if process.returncode else "",
        )


class Memory:
    """Watches the memory of a process and its children."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._peak = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def peak(self) -> float:
        """Stop watching; return the most that was seen, in MB."""
        self._ended.set()
        self._thread.join()
        return self._peak / (1 << 20)

    def _watch(self) -> None:
        while not self._ended.wait(SAMPLED):
            try:
                process = psutil.Process(self._pid)
                family = [process, *process.children(recursive=True)]
                used = sum(_used(each, alone=len(family) == 1) for each in family)
            except psutil.Error:  # one of them has just ended
                continue
            self._peak = max(self._peak, used)


def _used(process: psutil.Process, *, alone: bool) -> int:
    """Return resident bytes; of what forked processes share, each has its part."""
    used: int = process.memory_info().rss if alone else process.memory_full_info().pss
    return used
