"""A limit on the total time of a request, for vendors that send a byte now and then.

The timeout of `requests` is the time without a byte. So a thread shuts down the socket of a request
that takes too long, which ends every read from it.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any, Self

from requests.adapters import HTTPAdapter
from typing_extensions import override
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection

_requests = threading.local()


class Deadline:
    """Limits the request that the current thread sends inside the `with` block.

    Attributes:
        has_passed: whether the request was cut off.
    """

    def __init__(self, seconds: float) -> None:
        self.has_passed = False
        self.socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        _requests.deadline = self
        self._timer.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._timer.cancel()
        _requests.deadline = None

    def _cut(self) -> None:
        self.has_passed = True
        if self.socket is not None:
            with contextlib.suppress(OSError):  # it has just been closed
                self.socket.shutdown(socket.SHUT_RDWR)


class _HTTPConnection(HTTPConnection):
    @override
    def request(self, *args: Any, **kwargs: Any) -> None:
        super().request(*args, **kwargs)
        deadline: Deadline | None = getattr(_requests, "deadline", None)
        if deadline is not None:
            # the connection drops its socket if the body has no length
            deadline.socket = self.sock


class _HTTPSConnection(_HTTPConnection, HTTPSConnection):
    pass


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


class DeadlineAdapter(HTTPAdapter):
    """Sends requests over connections that a `Deadline` can cut off."""

    poolmanager: PoolManager

    @override
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        _use_pools(self.poolmanager)

    @override
    def proxy_manager_for(self, proxy: Any, **kwargs: Any) -> ProxyManager:
        manager: ProxyManager = super().proxy_manager_for(proxy, **kwargs)
        _use_pools(manager)
        return manager


def _use_pools(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}
