from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import Any

import pytest

from attribution_elt.core.threads import DaemonThreads


def test_tasks_run_in_order_and_their_errors_are_raised_with_their_results() -> None:
    threads = DaemonThreads("test")
    done: list[int] = []
    futures = [threads.submit(lambda number=number: done.append(number)) for number in range(50)]  # type: ignore[misc] # the default binds the number
    failed = threads.submit(lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        failed.result(timeout=10)
    for future in futures:
        future.result(timeout=10)
    threads.stop(wait=True)
    assert done == list(range(50))


def test_threads_are_limited_and_do_not_keep_the_process() -> None:
    threads = DaemonThreads("wide", width=3)
    barrier = threading.Barrier(4)
    for _ in range(10):
        threads.submit(lambda: barrier.wait(timeout=10))
    running = [each for each in threading.enumerate() if each.name.startswith("wide-")]
    assert len(running) == 3
    assert all(each.daemon for each in running)
    threads.stop()
    barrier.abort()


def test_stop_drops_tasks_that_have_not_started() -> None:
    threads = DaemonThreads("stopped")
    begun, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        go_on.wait(10)

    threads.submit(hold)
    dropped = threads.submit(lambda: None)
    assert begun.wait(10)
    threads.stop()
    go_on.set()
    assert not dropped.done()


def test_stop_returns_although_a_thread_takes_the_last_task(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Raced(SimpleQueue[Any]):
        def empty(self) -> bool:
            was_empty = super().empty()
            while not super().empty():
                self.get()
            return was_empty

    monkeypatch.setattr("attribution_elt.core.threads.SimpleQueue", Raced)
    threads = DaemonThreads("raced", width=0)
    threads.submit(lambda: None)
    stopping = threading.Thread(target=threads.stop, daemon=True)
    stopping.start()
    stopping.join(timeout=10)
    assert not stopping.is_alive()
