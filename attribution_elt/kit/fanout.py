"""Requests many units concurrently, bounded and in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from functools import partial
from typing import TypeVar

from attribution_elt.core.threads import DaemonThreads

Unit = TypeVar("Unit")
Result = TypeVar("Result")

LOOKAHEAD = 2
"""Units in flight or waiting for a slow one before them, per worker."""


def fan_out(
    units: Iterable[Unit],
    fetch: Callable[[Unit], Result],
    width: int,
    lookahead: int = LOOKAHEAD,
) -> Iterator[tuple[Unit, Future[Result]]]:
    """Yield each unit with its finished future, in the units' order; `width` run at once at most.

    The output does not depend on which response arrives first. Units are read when they are needed,
    so that memory stays bounded. An error concerns only its unit. The threads only fetch; they are
    daemons, so that a run that ends early does not wait for their responses.
    """
    threads = DaemonThreads("fetch", width)
    waiting: deque[tuple[Unit, Future[Result]]] = deque()

    def finished() -> tuple[Unit, Future[Result]]:
        waiting[0][1].exception()
        return waiting.popleft()

    try:
        for unit in units:
            waiting.append((unit, threads.submit(partial(fetch, unit))))
            if len(waiting) >= lookahead * width:
                yield finished()
        while waiting:
            yield finished()
    finally:
        threads.stop()
