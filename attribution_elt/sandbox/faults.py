"""Things that go wrong on the way between a vendor and a client, on demand."""

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
    "invalid_json",  # the first half of the true body, as if it were the whole
    "reset",  # the connection is reset before an answer
    "close",  # the connection is closed before an answer
    "truncate",  # the connection breaks off in the middle of the true body
    "slow",  # `delay` seconds before the first byte
    "drip",  # the true body in about ten pieces, `delay` seconds apart
    "stall",  # `delay` seconds of silence in the middle of the true body
    "altered",  # the true body as `change` makes it
]
Pause = Callable[[float], object]

PAGE = "<!DOCTYPE html><html><body><h1>{title}</h1></body></html>"
UNKNOWN_SIZE = 128 * 1024  # taken for the size of a body that is made on the fly


class BrokenOffError(Exception):
    """The rest of a body is not going to be sent."""


@dataclass(frozen=True)
class Fault:
    """A fault for the next `times` requests (None: for all) that match.

    `match` is a part of the path and query as sent, or a predicate on the request.
    """

    kind: Kind
    times: int | None = 1
    match: str | Callable[[Request], bool] = ""
    status: int = 500
    body: str | None = None
    retry_after: float | None = None  # seconds from now
    retry_after_date: bool = False  # say so as an HTTP date
    headers: Callable[[float], Mapping[str, str]] = lambda _: {}  # of `status`, by its time
    change: Callable[[bytes], bytes] = bytes  # of an altered body, where there is one
    delay: float = 0.0
    after: int | None = None  # bytes of the body before it breaks off or stalls; None: half of it
    chunked: bool | None = None  # transfer coding of the spoilt answer; None: the vendor's

    @property
    def hangs_up(self) -> bool:
        """Whether there is to be no answer at all."""
        return self.kind in {"reset", "close"}

    def matches(self, request: Request) -> bool:
        """Tell whether the fault is meant for a request."""
        return self.match in request.target if isinstance(self.match, str) else self.match(request)

    def answer(self, vendor_answer: Callable[[], Response], now: float) -> Response:
        """Give the answer to be sent: the vendor's own, or what takes its place."""
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
        """Let a body through piece by piece, as far and as fast as the fault allows."""
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
    """The faults that a vendor has still to play, first come first served."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Play a fault from the next matching request on."""
        with self._lock:
            self._waiting.append(fault)

    def clear(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._waiting.clear()

    def take(self, request: Request) -> Fault | None:
        """Give the fault to be played on a request, if any, and count it."""
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
