"""The quota limiter in real time: a client with eight requests in flight, over HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from attribution_elt.kit.fanout import fan_out
from attribution_elt.kit.http.client import Client
from attribution_elt.kit.http.request import Request
from tests.kit.quota import Clock, Vendor
from tests.serving import serving

WINDOW = 0.4


class Now(Clock):
    """The real clock, which needs no simulated waits."""

    def time(self) -> float:
        return time.time()


@contextmanager
def serve(vendor: Vendor) -> Iterator[str]:
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            with lock:
                status, headers = vendor.answer()
            self.send_response_only(status)
            for name, value in {**headers, "Content-Length": "2"}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"[]")

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    with serving(server):
        yield f"http://127.0.0.1:{server.server_port}"


class Asker(Client):
    vendor = "Test"
    credential = "nothing"


def ask(url: str, requests: int) -> None:
    config: dict[str, Any] = {
        "api_url": url,
        "user_agent": "test",
        "request_timeout": 5,
        "max_retries": 1,
        "max_concurrent_requests": 8,
    }
    client = Asker(config)
    for _, future in fan_out(range(requests), lambda n: client.fetch(Request("", f"{n}")), 8):
        future.result().close()


@pytest.mark.parametrize("greed", [0.0, 0.3], ids=["alone", "with another client"])
@pytest.mark.parametrize("sliding", [False, True], ids=["fixed", "sliding"])
def test_eight_threads_cause_no_refusal(greed: float, *, sliding: bool) -> None:
    vendor = Vendor(Now(), window=WINDOW, sliding=sliding, greed=greed, latency=0)
    with serve(vendor) as url:
        ask(url, 60)
    assert vendor.refused == 0
