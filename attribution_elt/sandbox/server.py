"""The HTTP server that all vendors share."""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from attribution_elt.sandbox.faults import BrokenOffError, Fault
from attribution_elt.sandbox.messages import Request, Response, record
from attribution_elt.sandbox.vendor import Vendor

RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # linger for zero seconds: the client gets RST, not FIN
BODILESS = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}


class Server(ThreadingHTTPServer):
    """Serves vendors on 127.0.0.1, a thread per connection."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, vendors: Mapping[str, Vendor], port: int) -> None:
        super().__init__(("127.0.0.1", port), Connection)
        self.vendors = dict(vendors)
        self.stopping = threading.Event()
        self.in_flight = dict.fromkeys(vendors, 0)
        self.lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._loop = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)

    @property
    def origin(self) -> str:
        """The server's URL, without a vendor's prefix."""
        return f"http://127.0.0.1:{self.server_port}"

    def add(self, vendor: Vendor) -> None:
        """Serve another vendor."""
        self.in_flight[vendor.name] = 0
        self.vendors[vendor.name] = vendor

    def start(self) -> None:
        """Serve in a separate thread."""
        self._loop.start()

    def stop(self) -> None:
        """Close all connections and stop."""
        self.stopping.set()
        self.shutdown()
        self._loop.join()
        with self.lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection, so that `stop` can end it."""
        with self.lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Remove a closed connection."""
        with self.lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnected; report any other error, because it is a bug."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Connection(BaseHTTPRequestHandler):
    """A client's connection, kept alive between requests."""

    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # send headers and body in one packet

    def _serve(self) -> None:
        arrived = time.time()
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        name, slash, target = self.path.removeprefix("/").partition("/")
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, slash + target, headers, body)
        vendor = self.server.vendors.get(name)
        with contextlib.ExitStack() as self._flight:
            if vendor is None:
                self._send(Response(HTTPStatus.NOT_FOUND), None, arrived)
            else:
                in_flight = self._flight.enter_context(self._in_flight(name))
                self._answer(vendor, request, arrived, in_flight)

    # http.server looks methods up by these names
    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 (names upstream)

    def _answer(self, vendor: Vendor, request: Request, arrived: float, in_flight: int) -> None:
        fault = vendor.faults.take(request)
        self.server.stopping.wait(vendor.latency)
        response = None
        if fault is None:
            response = vendor.answer(request)
        elif not fault.hangs_up:
            response = fault.answer(lambda: vendor.answer(request), vendor.now())
        vendor.requests.append(
            record(
                request,
                vendor.credentials,
                status=response.status if response else None,
                fault=fault.kind if fault else None,
                time=arrived,
                in_flight=in_flight,
            )
        )
        if response:
            if vendor.compressed and "gzip" in request.headers.get("accept-encoding", ""):
                response = response.compressed()
            self.close_connection |= not vendor.keeps_alive
            self._send(response, fault, vendor.now())
        else:
            self._hang_up(reset=fault is not None and fault.kind == "reset")

    def _send(self, response: Response, fault: Fault | None, now: float) -> None:
        pause = self.server.stopping.wait
        if fault and fault.kind == "slow":
            pause(fault.delay)
        bodiless = response.status in BODILESS
        chunked = (response.chunked or response.size is None) and not bodiless
        self.send_response_only(response.status)
        self.send_header("Date", self.date_time_string(now))
        for name, value in response.headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif not bodiless:
            self.send_header("Content-Length", str(response.size))
        self.end_headers()
        if bodiless:
            return
        try:
            pieces = fault.spoil(response, pause) if fault else response.pieces()
            self._write(pieces, None if chunked else response.size)
        except BrokenOffError:
            self.close_connection = True

    def _write(self, pieces: Iterable[bytes], size: int | None) -> None:
        """Write a body: in chunks, if its size is not known."""
        left = size
        for piece in pieces:
            if left is None:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b"")
            else:
                left -= len(piece)
                if left <= 0:
                    self._flight.close()  # the client's next request may arrive at once
                self.wfile.write(piece)
            self.wfile.flush()
        if left is None:
            self._flight.close()
            self.wfile.write(b"0\r\n\r\n")

    def _hang_up(self, *, reset: bool) -> None:
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            self.connection.close()
        self.close_connection = True

    @contextlib.contextmanager
    def _in_flight(self, name: str) -> Any:
        server = self.server
        with server.lock:
            server.in_flight[name] += 1
            count = server.in_flight[name]
        try:
            yield count
        finally:
            with server.lock:
                server.in_flight[name] -= 1

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (its name upstream)
        """Write nothing, because the vendor records its requests."""
