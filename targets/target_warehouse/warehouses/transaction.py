"""One transaction in a warehouse, tried again when it is not the data's fault that it failed."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import backoff

from target_warehouse.warehouses.base import Adapter

_PATIENCE = 60  # seconds for which a warehouse may be away: a restart or a failover
_LONGEST_WAIT = 5

logger = logging.getLogger("target-warehouse")
_T = TypeVar("_T")


def transact(adapter: Adapter, work: Callable[[], _T], *, once: bool = False) -> _T:
    """Do `work` and commit it, and return what it returned.

    It is done again on a new connection when that was lost, and when another transaction was in
    the way; `once` makes sure, where the warehouse can tell, that a commit which went unanswered
    is not followed by a second one. Raises the driver's error when a minute of that did not help.
    """
    marker: str | None = None
    result: list[_T] = []
    failed = False

    def attempt() -> _T:
        nonlocal marker, failed
        if failed:
            adapter.reconnect()
            if marker and adapter.is_committed(marker):
                return result[-1]
        marker = None
        try:
            result.append(work())
            marker = adapter.transaction_id() if once else None
            adapter.commit()
        except Exception:
            failed = True
            with contextlib.suppress(*adapter.errors):
                adapter.rollback()
            raise
        return result[-1]

    return retry(adapter, attempt)


def retry(adapter: Adapter, work: Callable[[], _T]) -> _T:
    """Do `work` until it succeeds, for a minute at most, while its errors are transient.

    Each cause is logged once, however often it is met.
    """
    logged: set[str] = set()

    def log(details: Mapping[str, Any]) -> None:
        cause = adapter.explain(details["exception"])
        if cause not in logged:
            logged.add(cause)
            logger.warning("%s; trying again", cause)

    retried: Callable[[], _T] = backoff.on_exception(
        backoff.expo,
        adapter.errors,
        factor=0.1,
        max_value=_LONGEST_WAIT,
        max_time=_PATIENCE,
        giveup=lambda error: not adapter.is_transient(error),
        on_backoff=log,
        logger=None,
    )(work)
    return retried()
