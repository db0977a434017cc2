"""A TCP proxy to the database whose connections tests can cut."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, urlsplit

_SIZE = 1 << 16


class Proxy:
    """Forwards connections from a TCP port to a PostgreSQL server's socket."""

    def __init__(self, url: str) -> None:
        """Forward to the database with this URL, over a socket."""
        parts = urlsplit(url)
        self._server = str(Path(parse_qs(parts.query)["host"][0]) / ".s.PGSQL.5432")
        self._listener = socket.create_server(("127.0.0.1", 0))
        host, port = self._listener.getsockname()
        self.url = parts._replace(netloc=f"{parts.username}@{host}:{port}", query="").geturl()
        self.connections = 0
        """Number of connections so far."""
        self.sent = 0
        """Bytes to the server."""
        self.cuts: dict[int, float] = {}
        """Number of bytes after which to cut connections, and seconds of the interruption."""
        self.commits: dict[int, bool] = {}
        """The COMMIT at which to cut the connection, and whether the server receives it."""
        self.watch: Callable[[bytes, bool], object] = lambda _data, _sent: None
        """Called with the data for the server, before and after it is sent."""
        self._committed = 0
        self._down = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self.go_away()
        for thread in self._threads:
            thread.join(10)

    def go_away(self, seconds: float = 0) -> None:
        """Cut all connections and refuse new ones, for some seconds or permanently."""
        self._down.set()
        if seconds:
            threading.Timer(seconds, self._down.clear).start()
        else:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the listener was closed
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                self._start(self._forward, client)

    def _forward(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server, contextlib.suppress(OSError):
            server.connect(self._server)
            while not self._down.is_set():
                ready = select.select([client, server], [], [], 0.05)[0]
                for source in ready:
                    data = source.recv(_SIZE)
                    if not data or not self._pass_on(data, source, client, server):
                        return

    def _pass_on(
        self, data: bytes, source: socket.socket, client: socket.socket, server: socket.socket
    ) -> bool:
        """Pass data on; return False if the connection must end."""
        if source is server:
            client.sendall(data)
            return True
        self.watch(data, False)
        self.sent += len(data)
        for limit in [limit for limit in self.cuts if limit <= self.sent]:
            seconds = self.cuts.pop(limit)
            if seconds:
                self.go_away(seconds)
            return False
        cut = None
        if b"COMMIT\0" in data:
            self._committed += 1
            cut = self.commits.pop(self._committed, None)
        if cut is not False:
            server.sendall(data)
            self.watch(data, True)
        if cut:
            server.recv(_SIZE)  # the server has committed, and the client gets no response
        return cut is None
