"""Ordered, bounded, concurrent requests for many units."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TypeAlias, TypeVar

Unit = TypeVar("Unit")
Result = TypeVar("Result")

Jobs: TypeAlias = SimpleQueue[tuple[Unit, Future[Result]] | None]

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
    todo: Jobs[Unit, Result] = SimpleQueue()
    waiting: deque[tuple[Unit, Future[Result]]] = deque()
    workers = 0

    def finished() -> tuple[Unit, Future[Result]]:
        waiting[0][1].exception()
        return waiting.popleft()

    try:
        for unit in units:
            if workers < width:
                workers += 1
                name = f"fetch-{workers}"
                threading.Thread(target=_work, args=(todo, fetch), name=name, daemon=True).start()
            waiting.append((unit, Future()))
            todo.put(waiting[-1])
            if len(waiting) >= lookahead * width:
                yield finished()
        while waiting:
            yield finished()
    finally:
        while not todo.empty():
            todo.get()
        for _ in range(workers):
            todo.put(None)


def _work(todo: Jobs[Unit, Result], fetch: Callable[[Unit], Result]) -> None:
    while (job := todo.get()) is not None:
        unit, future = job
        try:
            future.set_result(fetch(unit))
        except BaseException as error:  # noqa: BLE001 - raised again where it is read
            future.set_exception(error)
