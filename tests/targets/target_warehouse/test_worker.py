"""The thread that loads batches."""

from __future__ import annotations

import threading
from concurrent.futures import Future

import pytest
from target_warehouse.worker import Worker
from typing_extensions import override

from attribution_elt.core.threads import DaemonThreads


class Late(Future[int]):
    """A task that ends just after a wait with a time limit."""

    @override
    def result(self, timeout: float | None = None) -> int:
        if timeout is None:
            return super().result()
        self.cancel()  # which makes it done
        raise TimeoutError


def test_a_task_that_ends_just_after_a_wait_has_its_result(monkeypatch: pytest.MonkeyPatch) -> None:
    late, tasks = Late(), Worker()
    monkeypatch.setattr(DaemonThreads, "submit", lambda *_: late)
    end = threading.Timer(0.05, late.set_result, [7])
    end.start()
    assert tasks.run(lambda: 7) == 7
    end.join()
    tasks.stop()
