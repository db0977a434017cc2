"""Emits each STATE when all records before it are committed, and never earlier."""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Hashable


class Checkpoints:
    """States in the order in which they arrived, each with the batches that it waits for."""

    def __init__(self) -> None:
        self._open: set[Hashable] = set()
        self._waiting: deque[tuple[str, set[Hashable]]] = deque()
        self._lock = threading.Lock()  # one thread adds states, another reports commits

    def batch_opened(self, batch: Hashable) -> None:
        """Note that a batch is open: its records are not in the warehouse yet."""
        with self._lock:
            self._open.add(batch)

    def add(self, state: str) -> None:
        """Add a state, which covers the records of the open batches."""
        with self._lock:
            if self._waiting and self._waiting[-1][1] == self._open:
                self._waiting.pop()  # the newer state covers both
            self._waiting.append((state, self._open.copy()))
            self._emit()

    def committed(self, batch: Hashable) -> None:
        """Note that a batch is in the warehouse; emit the latest state that no longer waits."""
        with self._lock:
            self._open.discard(batch)
            for _, batches in self._waiting:
                batches.discard(batch)
            self._emit()

    def _emit(self) -> None:
        state = None
        while self._waiting and not self._waiting[0][1]:
            state, _ = self._waiting.popleft()
        if state is not None:
            _write(f"{state}\n")


def _write(text: str) -> None:
    """Write to standard output in UTF-8, whatever the encoding of the locale."""
    stream = sys.stdout
    if hasattr(stream, "buffer"):
        stream.buffer.write(text.encode())
    else:  # standard output was replaced by a text stream
        stream.write(text)
    stream.flush()
