"""STATE goes out when everything that came in before it is committed, never earlier."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Collection, Hashable


class Checkpoints:
    """States in the order in which they came, each with the batches that it still waits for."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[str, set[Hashable]]] = deque()

    def add(self, state: str, batches: Collection[Hashable]) -> None:
        """Take in a state that covers what these open batches hold."""
        batches = set(batches)
        if self._waiting and self._waiting[-1][1] == batches:
            self._waiting.pop()  # the newer one says it all
        self._waiting.append((state, batches))
        self._emit()

    def committed(self, batch: Hashable) -> None:
        """Note that a batch is in the warehouse; emit the latest state that this frees."""
        for _, batches in self._waiting:
            batches.discard(batch)
        self._emit()

    def _emit(self) -> None:
        state = None
        while self._waiting and not self._waiting[0][1]:
            state, _ = self._waiting.popleft()
        if state is not None:
            sys.stdout.write(f"{state}\n")
            sys.stdout.flush()
