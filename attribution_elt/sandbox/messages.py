"""HTTP requests, HTTP responses, and the log record of both."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from attribution_elt.sandbox.exact_json import decode, encode


@dataclass(frozen=True)
class Request:
    """A request as a vendor sees it: the path is relative to the vendor's prefix."""

    method: str
    target: str  # path and query as they were sent
    headers: Mapping[str, str]  # names in lower case
    body: bytes = b""

    @property
    def path(self) -> str:
        """The path, still percent-encoded."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        """All query parameters with all their values, empty values included."""
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)

    def json(self) -> Any:
        """Decode the body."""
        return decode(self.body)


@dataclass
class Response:
    """A response; a streamed body is an iterable of bytes."""

    status: int = 200
    body: bytes | Iterable[bytes] = b""
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None  # bytes of a streamed body, if known beforehand
    chunked: bool = False

    @classmethod
    def json(cls, value: Any, status: int = 200) -> Response:
        """Return a response with a JSON document."""
        return cls(status, encode(value).encode(), {"Content-Type": "application/json"})

    @property
    def size(self) -> int | None:
        """The body's length in bytes, if it is known."""
        return len(self.body) if isinstance(self.body, bytes) else self.length

    def compressed(self) -> Response:
        """Return the same response with a gzip-encoded body."""
        headers = {**self.headers, "Content-Encoding": "gzip"}
        body = gzip.compress(b"".join(self.pieces()), mtime=0)
        return Response(self.status, body if self.size != 0 else b"", headers, chunked=self.chunked)

    def pieces(self) -> Iterable[bytes]:
        """Yield the body in pieces."""
        return [self.body] if isinstance(self.body, bytes) else self.body


@dataclass(frozen=True)
class Recorded:
    """A request that was received; the vendor's credentials in it are replaced by their names."""

    method: str
    path: str  # decoded
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: str
    status: int | None  # None where the connection was cut before a response
    fault: str | None  # kind of the fault that was played, if any
    time: float  # arrival, in seconds since the epoch
    in_flight: int  # concurrent requests to this vendor at arrival, this one included

    def json(self) -> Any:
        """Decode the request's body."""
        return decode(self.body)


@dataclass(frozen=True)
class Effect:
    """A change that a writing request made at a vendor.

    Attributes:
        day: The sandbox's day.
        key: What was changed, such as a channel's id or an address.
        before: The value before the change; None if nothing was set.
        after: The value after the change.
    """

    day: date
    key: str
    before: Any
    after: Any


def mask(text: str, credentials: Mapping[str, str]) -> str:
    """Replace each credential in a text by `{its name}`."""
    for name, secret in credentials.items():
        for spelling in {secret, quote(secret, safe="")} - {""}:
            text = text.replace(spelling, f"{{{name}}}")
    return text


def record(request: Request, credentials: Mapping[str, str], **outcome: Any) -> Recorded:
    """Build the log record of a request, with credentials masked."""

    def masked(text: str) -> str:
        return mask(text, credentials)

    return Recorded(
        method=request.method,
        path=masked(unquote(request.path)),
        query={name: [masked(value) for value in values] for name, values in request.query.items()},
        headers={name: masked(value) for name, value in request.headers.items()},
        body=masked(request.body.decode(errors="replace")),
        **outcome,
    )
