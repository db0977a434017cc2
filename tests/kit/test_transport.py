"""Requests over real sockets: certificates, redirects, deadlines, sizes, full disks."""

from __future__ import annotations

import errno
import logging
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from attribution_elt.kit.errors import OverloadedError, UnitError, UnreachableError
from attribution_elt.kit.http import client as http
from attribution_elt.kit.http.client import Client
from attribution_elt.kit.http.request import Request

CONFIG = {
    "user_agent": "test",
    "request_timeout": 5,
    "max_retries": 2,
    "max_concurrent_requests": 1,
    "max_request_seconds": 60,
    "max_response_bytes": 1 << 20,
}
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
WHOLE = OK + b"Content-Length: 3\r\n\r\n[1]"
Answer = Callable[[socket.socket], None]


class Shop(Client):
    vendor = "Shop"
    credential = "token"


@pytest.fixture(autouse=True)
def _same_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "FIRST_WAIT", 0.0)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


class Server:
    """Handles each connection with a function, and counts connections."""

    def __init__(self, answer: Answer, context: ssl.SSLContext | None = None) -> None:
        self.connections = 0
        self._answer = answer
        self._context = context
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self.connections += 1
                threading.Thread(target=self._handle, args=(connection,), daemon=True).start()

    def _handle(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            if self._context is None:
                self._reply(connection)
                return
            with self._context.wrap_socket(connection, server_side=True) as secure:
                self._reply(secure)

    def _reply(self, connection: socket.socket) -> None:
        connection.recv(1 << 16)
        self._answer(connection)

    def close(self) -> None:
        self._socket.close()


@contextmanager
def serving(answer: bytes | Answer, context: ssl.SSLContext | None = None) -> Iterator[Server]:
    server = Server(
        answer if callable(answer) else lambda found: found.sendall(answer), context
    )  # fmt: skip
    try:
        yield server
    finally:
        server.close()


def fetch(server: Server, scheme: str = "http", **config: Any) -> list[Any]:
    url = f"{scheme}://127.0.0.1:{server.port}"
    client = Shop({**CONFIG, "api_url": url, **config})
    return list(client.fetch(Request("orders", "orders")))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with a key and a self-signed certificate."""
    folder = tmp_path_factory.mktemp("certificate")
    name = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(folder / "key"), "-out", str(folder / "own.pem")]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    subprocess.run([*made, *files, *name], check=True, capture_output=True)
    path = folder / "both"
    path.write_text((folder / "key").read_text() + (folder / "own.pem").read_text())
    return path


def secured(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_an_untrusted_certificate_is_named_and_not_retried(certificate: Path) -> None:
    with serving(WHOLE, secured(certificate)) as server:
        with pytest.raises(UnreachableError, match=r"certificate is not trusted.*SSL_CERT_FILE"):
            fetch(server, "https")
        assert server.connections == 1


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"])
def test_a_company_s_certificate_is_trusted_by_a_variable(
    certificate: Path, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["openssl", "rehash", certificate.parent], check=True, capture_output=True)
    place = certificate.parent if variable.endswith("DIR") else certificate
    monkeypatch.setenv(variable, str(place))
    with serving(WHOLE, secured(certificate)) as server:
        assert fetch(server, "https") == [1]


def test_https_to_a_port_of_http_is_named_and_not_retried() -> None:
    with serving(b"HTTP/1.1 400 Bad Request\r\n\r\n") as server:
        with pytest.raises(UnreachableError, match=r"TLS: no secure connection.*api_url"):
            fetch(server, "https")
        assert server.connections == 1


def test_a_proxy_that_refuses_is_named_and_not_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:s3cr3t@127.0.0.1:{proxy.port}")
        client = Shop({**CONFIG, "api_url": "https://shop.example.com"})
        with pytest.raises(UnreachableError, match=r"proxy refused .*HTTPS_PROXY") as caught:
            client.fetch(Request("orders", "orders"))
        assert proxy.connections == 1
        assert "s3cr3t" not in str(caught.value)


def test_a_redirect_names_the_other_host_and_ends_the_run() -> None:
    answer = b"HTTP/1.1 301 Moved\r\nLocation: https://other.example.com/x?token=s3cr3t\r\n"
    with serving(answer + b"Content-Length: 0\r\n\r\n") as server:
        with pytest.raises(UnreachableError, match=r"a redirect to other.example.com") as caught:
            fetch(server)
        assert server.connections == 1
        assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    ("location", "to"),
    [("http://[evil/", r" to \[evil"), ("//me:s3cr3t@b\x1b[2J/", r" to b\[2J"), ("/\xff", "")],
)
def test_a_redirect_to_an_invalid_address_fails_its_unit(location: str, to: str) -> None:
    head = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
    answers = iter([WHOLE, head.encode("latin-1"), WHOLE])
    with serving(lambda found: found.sendall(next(answers))) as server:
        client = Shop({**CONFIG, "api_url": f"http://127.0.0.1:{server.port}"})
        request = Request("orders", "orders")
        client.fetch(request)
        with pytest.raises(UnitError, match=rf"returned 302, a redirect{to}: check") as caught:
            client.fetch(request)
        assert list(client.fetch(request)) == [1]
    assert not isinstance(caught.value, UnreachableError)


def drip(head: bytes) -> Answer:
    """A response that never ends, although each byte arrives in time."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(b" ")
            time.sleep(0.05)

    return answer


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nX-Never-Ending: ",
        OK + b"Content-Length: 100000\r\n\r\n",
        OK + b"\r\n",
    ],
    ids=["headers", "a body with a length", "a body without a length"],
)
def test_a_request_that_never_ends_fails_at_its_deadline(head: bytes) -> None:
    began = time.monotonic()
    with serving(drip(head)) as server:
        with pytest.raises(OverloadedError, match=r"no complete response within 0.4 s"):
            fetch(server, max_request_seconds=0.4)
        assert server.connections == 2
    assert time.monotonic() - began < 10


def test_a_vendor_that_sends_no_byte_in_time_is_overloaded() -> None:
    with (
        serving(lambda _: time.sleep(1)) as server,
        pytest.raises(OverloadedError, match=r"no data for 0\.1 s"),
    ):
        fetch(server, request_timeout=0.1)


def test_the_deadline_of_one_request_does_not_affect_the_next() -> None:
    answers: Iterator[Answer] = iter([drip(OK + b"\r\n"), lambda found: found.sendall(WHOLE)])

    def answer(connection: socket.socket) -> None:
        next(answers)(connection)

    with serving(answer) as server:
        assert fetch(server, max_request_seconds=0.5) == [1]


def test_a_body_over_the_limit_fails_its_unit_without_a_retry() -> None:
    def answer(connection: socket.socket) -> None:
        connection.sendall(OK + b"\r\n")
        while True:
            connection.sendall(b"1" * 65536)

    with serving(answer) as server:
        with pytest.raises(UnitError, match=r"larger than the setting max_response_bytes"):
            fetch(server, max_response_bytes=100_000)
        assert server.connections == 1


class FullFile:
    def write(self, _chunk: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    def close(self) -> None:
        pass


def test_a_full_disk_fails_the_unit_and_names_tmpdir(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "SpooledTemporaryFile", lambda **_: FullFile())
    with (
        serving(WHOLE) as server,
        pytest.raises(UnitError, match=r"No space left on device.*set TMPDIR"),
    ):
        fetch(server)


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\n[1]\r\n0\r\n\r\n",
        OK + b"Content-Length: 3\r\nContent-Length: 9\r\n\r\n[1]",
    ],
    ids=["negative chunk", "two lengths"],
)
def test_a_response_that_is_not_http_fails_its_unit(answer: bytes) -> None:
    with serving(answer) as server:
        with pytest.raises(UnitError, match="orders: the response is not valid HTTP"):
            fetch(server)
        assert server.connections == 2


def test_a_late_response_is_not_used_for_the_next_request() -> None:
    def early(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        time.sleep(0.3)
        connection.sendall(WHOLE.replace(b"[1]", b"[0]"))

    answers: Iterator[Answer] = iter([early, lambda found: found.sendall(WHOLE)])

    def answer(connection: socket.socket) -> None:
        next(answers)(connection)

    with serving(answer) as server:
        assert fetch(server) == [1]


def test_a_partial_response_is_not_accepted() -> None:
    answer = WHOLE.replace(b"200 OK", b"206 Partial Content")
    with serving(answer) as server, pytest.raises(UnitError, match="returned 206"):
        fetch(server)


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (b"\xef\xbb\xbf[1]", [1]),
        (b'[{"a": "caf\xe9"}]', [{"a": "caf\ufffd"}]),
        (b'[{"a": NaN, "b": "NaN and Infinity"}]', [{"a": "NaN", "b": "NaN and Infinity"}]),
        (b"[Infinity, -Infinity, 1]", ["Infinity", "-Infinity", 1]),
        (b'\xef\xbb\xbf[{"a\\"": NaN, "b": "\\ud83e"}]', [{'a"': "NaN", "b": "\ufffd"}]),
    ],
)
def test_malformed_json_that_other_clients_accept_is_repaired(sent: bytes, read: list[Any]) -> None:
    with serving(OK + b"\r\n" + sent) as server:
        assert fetch(server) == read


@pytest.mark.parametrize("charset", ["ISO-8859-1", '"windows-1252"', "utf-16", "UTF-32"])
def test_text_in_the_charset_of_the_response_is_read(charset: str) -> None:
    body = '[{"a": "café"}]'.encode(charset.strip('"'))
    head = f"Content-Type: application/json; charset={charset}\r\n\r\n".encode()
    with serving(OK + head + body) as server:
        assert fetch(server) == [{"a": "café"}]


@pytest.mark.parametrize("charset", ["no-charset", "base64", "idna", "utf-8"])
def test_a_charset_that_is_wrong_or_unknown_counts_as_utf8(charset: str) -> None:
    head = f"Content-Type: application/json; charset={charset}\r\n\r\n".encode()
    with serving(OK + head + b'\xef\xbb\xbf["caf\xe9"]') as server:
        assert fetch(server) == ["caf\ufffd"]


def test_retry_after_has_a_meaning_with_429_and_503_only() -> None:
    head = b"HTTP/1.1 200 OK\r\nRetry-After: 1000000000\r\nContent-Length: 3\r\n\r\n[1]"
    with serving(head) as server:
        url = f"http://127.0.0.1:{server.port}"
        client = Shop({**CONFIG, "api_url": url})
        began = time.monotonic()
        for _ in range(2):
            client.fetch(Request("orders", "orders"))
        assert time.monotonic() - began < 5


def test_a_wait_that_the_vendor_asks_for_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    answers = iter([b"HTTP/1.1 503 Down\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n", WHOLE])
    with serving(lambda found: found.sendall(next(answers))) as server:
        assert fetch(server) == [1]
    assert "Shop: waiting 2 s as the vendor asks" in caplog.messages


def test_a_vendor_s_message_cannot_control_the_terminal() -> None:
    words = b'{"message": "\\u001b[2J\\u202eAll fine\\u009b"}'
    head = b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n" % len(words)
    with serving(head + words) as server, pytest.raises(UnitError) as caught:
        fetch(server)
    assert str(caught.value).endswith("returned 404: [2JAll fine")
    assert str(caught.value).isprintable()
