"""The thread that writes to the warehouse while the next batch is read and decoded."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, TypeVar

from attribution_elt.core.threads import DaemonThreads

_LONG = 90  # seconds, longer than a transaction is retried

logger = logging.getLogger("target-warehouse")
_T = TypeVar("_T")


class Worker:
    """Runs tasks one after the other, until a task fails."""

    def __init__(self) -> None:
        # A second signal ends the process without waiting for the warehouse, so the thread is a
        # daemon.
        self._thread = DaemonThreads("warehouse")
        self._last: Future[Any] = Future()
        self._last.set_result(None)

    def submit(self, task: Callable[[], Any]) -> None:
        """Queue a task when the previous one is done; raise the error of the previous one."""
        self._wait()
        self._last = self._thread.submit(task)

    def run(self, task: Callable[[], _T]) -> _T:
        """Run a task and return its result."""
        self.submit(task)
        result: _T = self._wait()
        return result

    def check(self) -> None:
        """Raise the error of the last task if it has failed."""
        if self._last.done():
            self._last.result()

    def stop(self) -> None:
        """End the thread after the current task."""
        self._thread.stop(wait=True)

    def _wait(self) -> Any:
        """Return the result of the last task; log a long wait."""
        while not wait([self._last], _LONG).done:
            logger.warning(
                "the warehouse has been busy for another %g s; the load may be waiting for a "
                "lock of another session",
                _LONG,
            )
        return self._last.result()
