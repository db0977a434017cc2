"""A webhook that records its requests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.serving import serving


class Receiver:
    """The requests that the webhook received."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.status = 200
        self.length = 0
        """Announced length of the body, which is not sent."""
        received = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                received.texts.append(json.loads(body)["text"])
                self.send_response(received.status)
                self.send_header("Content-Length", str(received.length))
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/services/T0/geheimnis"


@contextmanager
def listening() -> Iterator[Receiver]:
    started = Receiver()
    with serving(started.server):
        yield started
