"""Ordered, bounded, concurrent requests for many units."""

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
"""Units taken per worker: those in flight, and as many that wait for a slow one before them."""


def fan_out(
    units: Iterable[Unit],
    fetch: Callable[[Unit], Result],
    width: int,
    lookahead: int = LOOKAHEAD,
) -> Iterator[tuple[Unit, Future[Result]]]:
    """Yield each unit with its finished future, in the units' order, `width` at once at most.

    What is yielded does not depend on which answer comes first. Units are taken as they are
    needed, so that memory stays bounded; an error stays with its unit. The threads only fetch,
    and they are daemons: a run that ends does not wait for answers that nobody wants.
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
