"""Runs transactions in a warehouse, and retries those that fail for transient reasons."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import backoff

from target_warehouse.warehouses.base import Adapter

_PATIENCE = 60  # seconds to wait for a warehouse, long enough for a restart or a failover
_LONGEST_WAIT = 5

logger = logging.getLogger("target-warehouse")
_T = TypeVar("_T")


def transact(adapter: Adapter, work: Callable[[], _T]) -> _T:
    """Run `work`, commit it, and return its result.

    It is repeated on a new connection if the connection was lost, and after a conflict with another
    transaction. A commit whose response was lost is not repeated, where the warehouse can report
    whether it took place. After a minute of failures, the driver's error is raised.
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
            marker = adapter.transaction_id()
            adapter.commit()
        except Exception:
            failed = True
            with contextlib.suppress(*adapter.errors):
                adapter.rollback()
            raise
        return result[-1]

    return retry(adapter, attempt)


def retry(adapter: Adapter, work: Callable[[], _T]) -> _T:
    """Run `work` until it succeeds, for a minute at most, while its errors are transient.

    Each cause is logged once, however often it occurs.
    """
    logged: set[str] = set()

    def log(details: Mapping[str, Any]) -> None:
        cause = adapter.explain(details["exception"])
        if cause not in logged:
            logged.add(cause)
            logger.warning("%s; retrying", cause)

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
