"""Daemon threads that run tasks from a queue."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


class DaemonThreads:
    """Runs tasks in up to `width` threads, in the order in which they were submitted.

    The threads are daemons: a process that ends does not wait for their tasks. The standard
    library's ThreadPoolExecutor does wait for them.
    """

    def __init__(self, name: str, width: int = 1) -> None:
        self._name = name
        self._width = width
        self._tasks: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def submit(self, task: Callable[[], T]) -> Future[T]:
        """Queue a task and return the future of its result."""
        future: Future[T] = Future()
        self._tasks.put((future, task))
        if len(self._threads) < self._width:
            name = f"{self._name}-{len(self._threads) + 1}"
            thread = threading.Thread(target=self._work, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)
        return future

    def stop(self, *, wait: bool = False) -> None:
        """Drop tasks that have not started; with `wait`, return when running ones are done."""
        with suppress(Empty):  # no check before: a thread could take the last task in between
            while True:
                self._tasks.get_nowait()
        for _ in self._threads:
            self._tasks.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def _work(self) -> None:
        while (item := self._tasks.get()) is not None:
            future, task = item
            try:
                future.set_result(task())
            except BaseException as error:  # noqa: BLE001 - raised where the result is read
                future.set_exception(error)
