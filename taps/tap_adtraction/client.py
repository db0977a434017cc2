"""Adtraction's API v3, as partner and as client (advertiser)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from typing_extensions import override

from attribution_elt.kit.errors import RetryableError, UnitError
from attribution_elt.kit.http.client import Client, Request, quoted
from attribution_elt.kit.http.response import JsonResponse

PROGRAMS = "partner/programs/"
CHANNELS = "client/channels/"


class AdtractionClient(Client):
    """One token of Adtraction's; each endpoint has a quota of its own, by the minute."""

    vendor = "Adtraction"
    row_containers = ("data", "programs", "channels", "products", "feeds", "commissions")
    known_members = ("status", "message", "count", "pageSize", "page")
    window = 60.0

    def __init__(self, config: Mapping[str, Any], credential: str) -> None:
        self.credential = credential
        super().__init__(config)
        self._token: str = config[credential]
        self._in_query = config["auth_location"] == "query"
        self._markets: list[str] = config.get("markets") or []

    @override
    def auth_headers(self) -> dict[str, str]:
        return {} if self._in_query else {"X-Token": self._token}

    @override
    def auth_params(self) -> dict[str, str]:
        return {"token": self._token} if self._in_query else {}

    @override
    def credentials_request(self) -> Request:
        """Ask for a program or a channel that there is none of: ids have eight digits and more."""
        if self.credential == "client_token":
            body: dict[str, Any] = {"channelId": 1}
            return Request(CHANNELS, "credentials", method="POST", body=body, quota="channels")
        body = {"market": self._markets[0], "programId": 1}
        return Request(PROGRAMS, "credentials", method="POST", body=body, quota="programs")

    @override
    def validate(self, body: JsonResponse, request: Request) -> None:
        """Live answers may be an object of status and message: an error, or "nothing found"."""
        answer = body.document if isinstance(body.document, dict) else {}
        message = quoted(str(answer.get("message", "")))
        status = _whole(answer.get("status", HTTPStatus.OK))
        if status is not None and status >= HTTPStatus.BAD_REQUEST:
            raise self._error(request, status, message)
        if not body.is_array and (status is None or "message" not in answer):
            raise RetryableError("the answer is neither a list nor a message")
        expected = _whole(body.headers.get("count"))
        paged = _whole(answer.get("pageSize"))
        if request.quota == "feed" and not paged and expected not in {None, body.count}:
            reason = f"{body.count} rows came where the header `count` says {expected}"
            raise UnitError(self.describe(request, reason))

    def _error(self, request: Request, status: int, message: str) -> Exception:
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            return self.credentials_error(request, f"answered {status}", status=status)
        reason = f"answered {status}: {message}"
        if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return RetryableError(reason, status=status)
        return UnitError(self.describe(request, reason), status=status)


def pages(client: Client, request: Request) -> Iterator[JsonResponse]:
    """Yield a request's pages, of which most endpoints have but one.

    By the document a paged answer tells `count`, `pageSize` and `page`, from 0.
    """
    number = 0
    while True:
        body = client.fetch(request)
        yield body
        number += 1
        size, total = _whole(body.document.get("pageSize")), _whole(body.document.get("count"))
        if not body.count or not size or not total or number * size >= total:
            return
        request = request.with_body({**request.body, "page": number})


def _whole(value: Any) -> int | None:
    """A whole number, as JSON number or text; None for anything else."""
    try:
        return int(str(value))
    except ValueError:
        return None
