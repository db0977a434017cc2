"""Emits each STATE when all records before it are committed, and never earlier."""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Hashable


class Checkpoints:
    """States in the order of arrival, each with the number of batches opened before it."""

    def __init__(self) -> None:
        self._open: dict[Hashable, int] = {}
        """Numbers of the open batches, in order."""
        self._opened = 0
        self._waiting: deque[tuple[str, int]] = deque()
        self._lock = threading.Lock()  # states come from one thread, commits from another

    def batch_opened(self, batch: Hashable) -> None:
        """Record that a batch is open: its records are not in the warehouse yet."""
        with self._lock:
            self._open.setdefault(batch, self._opened)
            self._opened += 1

    def add(self, state: str) -> None:
        """Add a state, which covers the records of the open batches."""
        with self._lock:
            if self._waiting and self._waiting[-1][1] > next(reversed(self._open.values()), -1):
                self._waiting.pop()  # no batch is between the two: the newer one replaces it
            self._waiting.append((state, self._opened))
            self._emit()

    def committed(self, batch: Hashable) -> None:
        """Record that a batch is in the warehouse; emit the latest state that no longer waits."""
        with self._lock:
            self._open.pop(batch, None)
            self._emit()

    def _emit(self) -> None:
        state = None
        first = next(iter(self._open.values()), self._opened)
        while self._waiting and self._waiting[0][1] <= first:
            state, _ = self._waiting.popleft()
        if state is not None:
            _write(f"{state}\n")


def _write(text: str) -> None:
    """Write to standard output in UTF-8 in any locale."""
    stream = sys.stdout
    if hasattr(stream, "buffer"):
        stream.buffer.write(text.encode())
    else:  # standard output was replaced by a text stream
        stream.write(text)
    stream.flush()
