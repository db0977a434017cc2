"""A limit on the requests of one run, for vendors whose quota is paid or monthly."""

from __future__ import annotations

import threading
from collections.abc import Callable


class RequestBudget:
    """Counts the requests that a run may still send; every thread spends from it.

    Args:
        most: requests of the run; None: any number.
        setting: the setting that limits them, as errors name it.
    """

    def __init__(self, most: int | None = None, *, setting: str = "") -> None:
        self._left: float = float("inf") if most is None else most
        self._setting = setting
        self._lock = threading.Lock()

    @property
    def is_spent(self) -> bool:
        """Whether no other request may be sent."""
        return self._left < 1

    def spend(self, error: Callable[[str], Exception]) -> None:
        """Count a request that is about to be sent.

        Args:
            error: makes the error to raise, from a reason.
        """
        with self._lock:
            if self.is_spent:
                raise error(f"not tried again: {self._setting} is reached")
            self._left -= 1

    def refund(self) -> None:
        """Take back a request that cost nothing."""
        with self._lock:
            self._left += 1
