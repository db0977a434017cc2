"""The thread that works in the warehouse while the next batch is read and decoded."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

_T = TypeVar("_T")


class Worker:
    """Does one task after the other, each when the one before has succeeded."""

    def __init__(self) -> None:
        self._tasks: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = (
            queue.SimpleQueue()
        )
        self._last: Future[Any] = Future()
        self._last.set_result(None)
        # A daemon, so that a second signal need not wait for what the warehouse is busy with.
        self._thread = threading.Thread(target=self._work, name="warehouse", daemon=True)
        self._thread.start()

    def submit(self, task: Callable[[], Any]) -> None:
        """Have a task done, as soon as the one before is; what that one raised is raised here."""
        self._last.result()
        self._last = Future()
        self._tasks.put((self._last, task))

    def run(self, task: Callable[[], _T]) -> _T:
        """Do a task, and return what it returns."""
        self.submit(task)
        result: _T = self._last.result()
        return result

    def check(self) -> None:
        """Raise what the last task raised, if it is done."""
        if self._last.done():
            self._last.result()

    def stop(self) -> None:
        """End when the task at hand is done."""
        self._tasks.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (item := self._tasks.get()) is not None:
            future, task = item
            try:
                future.set_result(task())
            except BaseException as error:  # noqa: BLE001 - it is raised in the main thread
                future.set_exception(error)
