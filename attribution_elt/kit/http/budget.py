"""A limit on the requests of one run, for vendors whose quota is paid or monthly."""

from __future__ import annotations

import threading
from collections.abc import Callable


class RequestBudget:
    """Counts the requests that a run may still send; all threads share it.

    Args:
        most: requests of the run; None means no limit.
        setting: the setting that limits them, for error messages.
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
            error: returns the exception to raise, given a reason.
        """
        with self._lock:
            if self.is_spent:
                raise error(f"not sent: {self._setting} is reached")
            self._left -= 1

    def refund(self) -> None:
        """Give back a request that did not count."""
        with self._lock:
            self._left += 1
