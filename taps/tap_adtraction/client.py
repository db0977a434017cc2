"""Adtraction's API v3, as partner and as client (advertiser)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from typing_extensions import override

from attribution_elt.kit.errors import UnitError
from attribution_elt.kit.http.auth import HeaderAuth, QueryAuth
from attribution_elt.kit.http.client import Client
from attribution_elt.kit.http.judging import Verdict, quoted
from attribution_elt.kit.http.request import Request
from attribution_elt.kit.http.response import JsonResponse
from attribution_elt.kit.records.shaper import whole

PROGRAMS = "partner/programs/"
CHANNELS = "client/channels/"


class AdtractionClient(Client):
    """A token of Adtraction; each endpoint has its own quota per minute."""

    vendor = "Adtraction"
    row_containers = ("data", "programs", "channels", "products", "feeds", "commissions")
    known_members = ("status", "message", "count", "pageSize", "page")
    window = 60.0

    def __init__(self, config: Mapping[str, Any], credential: str) -> None:
        self.credential = credential
        token: str = config[credential]
        in_query = config["auth_location"] == "query"
        auth = QueryAuth({"token": token}) if in_query else HeaderAuth({"X-Token": token})
        super().__init__(config, auth=auth)
        self._markets: list[str] = config.get("markets") or []

    @override
    def credentials_request(self) -> Request:
        """Request a program or channel that cannot exist: ids have at least eight digits."""
        if self.credential == "client_token":
            body: dict[str, Any] = {"channelId": 1}
            return Request(CHANNELS, "credentials", method="POST", body=body, quota="channels")
        body = {"market": self._markets[0], "programId": 1}
        return Request(PROGRAMS, "credentials", method="POST", body=body, quota="programs")

    @override
    def validate(self, body: JsonResponse, request: Request) -> Verdict | None:
        """Accept a message object with status 200 as an empty list; raise other statuses."""
        answer = body.document if isinstance(body.document, dict) else {}
        message = quoted(str(answer.get("message", "")))
        status = whole(answer.get("status", HTTPStatus.OK))
        if status is not None and status >= HTTPStatus.BAD_REQUEST:
            return self._verdict(request, status, message)
        if not body.is_array and (status is None or "message" not in answer):
            return Verdict("the response is neither a list nor a message")
        expected = whole(body.headers.get("count"))
        paged = whole(answer.get("pageSize"))
        if request.quota == "feed" and not paged and expected not in {None, body.count}:
            reason = f"{body.count} rows arrived, but the header `count` is {expected}"
            return Verdict(reason, retry=False)
        return None

    def _verdict(self, request: Request, status: int, message: str) -> Verdict:
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise self.credentials_error(request, f"returned {status}", status=status)
        reason = f"returned {status}: {message}"
        if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return Verdict(reason, status)
        return Verdict(reason, status, retry=False)


class Pages:
    """Rows of a response, page by page.

    According to the document, a paged response has `count`, `pageSize` and `page`, counted from 0.
    Live responses have one page. The first page is requested immediately, each further page when
    the rows before it have been read.

    Raises (while it is iterated):
        UnitError: the pages have fewer rows than `count`, or it changed between two pages, which
        can have moved a row to a page that was read; or there are more than `MOST_PAGES`.
    """

    MOST_PAGES = 10_000

    def __init__(self, client: Client, request: Request) -> None:
        self._client = client
        self._request = request
        self._first = client.fetch(request)

    def __iter__(self) -> Iterator[Any]:
        body, number, rows = self._first, 0, 0
        size, total = (whole(body.document.get(name)) for name in ("pageSize", "count"))
        pages = -(-total // size) if total and size and size > 0 else 1
        if pages > self.MOST_PAGES:
            raise self._error(
                f"{pages} pages are announced, more than the maximum of {self.MOST_PAGES}"
            )
        while True:
            yield from body
            body.close()
            number, rows = number + 1, rows + body.count
            if number >= pages or not body.count:
                break
            body = self._client.fetch(self._request.with_page(number))
            if (now := whole(body.document.get("count"))) not in {None, total}:
                body.close()
                raise self._error(f"`count` changed from {total} to {now} between two pages")
        if total is not None and rows < total:
            raise self._error(f"{rows} rows arrived, but `count` is {total}")

    def _error(self, reason: str) -> UnitError:
        return UnitError(self._client.describe(self._request, reason))
