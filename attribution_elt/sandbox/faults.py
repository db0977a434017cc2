"""Faults on request: HTTP errors, broken connections and malformed bodies."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from email.utils import formatdate
from http import HTTPStatus
from typing import Literal

from attribution_elt.sandbox.messages import Request, Response

Kind = Literal[
    "status",  # `status`, with `body` and `retry_after` if given
    "html",  # a page instead of the data, with status 200
    "invalid_json",  # the first half of the true body, with a matching length
    "reset",  # the connection is reset before a response
    "close",  # the connection is closed before a response
    "truncate",  # the connection closes in the middle of the true body
    "slow",  # `delay` seconds before the first byte
    "drip",  # the true body in about ten pieces, `delay` seconds apart
    "stall",  # a pause of `delay` seconds in the middle of the true body
    "altered",  # the true body after `change`
]
Pause = Callable[[float], object]

PAGE = "<!DOCTYPE html><html><body><h1>{title}</h1></body></html>"
UNKNOWN_SIZE = 128 * 1024  # assumed size of a streamed body


class BrokenOffError(Exception):
    """The body ends before it is complete."""


@dataclass(frozen=True)
class Fault:
    """A fault for the next `times` matching requests (None: for all of them).

    `match` is a substring of the path and query as sent, or a predicate on the request.
    """

    kind: Kind
    times: int | None = 1
    match: str | Callable[[Request], bool] = ""
    status: int = 500
    body: str | None = None
    retry_after: float | None = None  # seconds from now
    retry_after_date: bool = False  # send `retry_after` as an HTTP date
    headers: Callable[[float], Mapping[str, str]] = lambda _: {}  # for `status`; takes the time
    change: Callable[[bytes], bytes] = bytes  # for `altered`; empty bodies stay as they are
    delay: float = 0.0
    after: int | None = None  # bytes before the body stops or stalls; None: half of the body
    chunked: bool | None = None  # transfer coding of the faulty response; None: the vendor's

    @property
    def hangs_up(self) -> bool:
        """Whether the connection closes without a response."""
        return self.kind in {"reset", "close"}

    def matches(self, request: Request) -> bool:
        """Return whether the fault applies to a request."""
        return self.match in request.target if isinstance(self.match, str) else self.match(request)

    def answer(self, vendor_answer: Callable[[], Response], now: float) -> Response:
        """Return the vendor's response, changed or replaced by the fault."""
        if self.kind == "status":
            return self._status(now)
        if self.kind == "html":
            return _page(HTTPStatus.OK, self.body or PAGE.format(title="Please try again later"))
        response = vendor_answer()
        if self.kind == "invalid_json":
            body = b"".join(response.pieces())
            response = replace(response, body=body[: max(1, len(body) // 2)], length=None)
        if self.kind == "altered" and (body := b"".join(response.pieces())):
            response = replace(response, body=self.change(body), length=None)
        return response if self.chunked is None else replace(response, chunked=self.chunked)

    def _status(self, now: float) -> Response:
        body = self.body
        if body is None:
            body = PAGE.format(title=HTTPStatus(self.status).phrase)
        response = _page(self.status, body)
        if not body.startswith("<"):
            response.headers["Content-Type"] = "application/json"
        if self.retry_after is not None:
            response.headers["Retry-After"] = (
                formatdate(now + self.retry_after, usegmt=True)
                if self.retry_after_date
                else f"{self.retry_after:g}"
            )
        response.headers.update(self.headers(now))
        return response

    def spoil(self, response: Response, pause: Pause) -> Iterator[bytes]:
        """Yield the body in pieces, with the pauses and the early end that the fault demands."""
        size = response.size or UNKNOWN_SIZE
        match self.kind:
            case "truncate":
                yield from _until(self._middle(size), response.pieces())
                raise BrokenOffError
            case "stall":
                sent = 0
                for piece in response.pieces():
                    cut = self._middle(size) - sent
                    sent += len(piece)
                    if 0 <= cut < len(piece):
                        yield piece[:cut]
                        pause(self.delay)
                        yield piece[cut:]
                    else:
                        yield piece
            case "drip":
                step = max(1, size // 10)
                for piece in response.pieces():
                    for start in range(0, len(piece), step):
                        yield piece[start : start + step]
                        pause(self.delay)
            case _:
                yield from response.pieces()

    def _middle(self, size: int) -> int:
        return size // 2 if self.after is None else self.after


class Faults:
    """A vendor's pending faults, in the order in which they were added."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Add a fault, which starts with the next matching request."""
        with self._lock:
            self._waiting.append(fault)

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._waiting.clear()

    def take(self, request: Request) -> Fault | None:
        """Return the first fault that matches a request, if any, and count the request."""
        with self._lock:
            for place, fault in enumerate(self._waiting):
                if fault.matches(request):
                    if fault.times == 1:
                        del self._waiting[place]
                    elif fault.times is not None:
                        self._waiting[place] = replace(fault, times=fault.times - 1)
                    return fault
        return None


def _page(status: int, body: str) -> Response:
    return Response(status, body.encode(), {"Content-Type": "text/html; charset=utf-8"})


def _until(count: int, pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        yield piece[:count]
        count -= len(piece)
        if count <= 0:
            return
