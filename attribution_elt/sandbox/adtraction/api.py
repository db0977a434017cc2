"""Adtraction's endpoints: tokens, quotas, and the forms of lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any

from attribution_elt.sandbox.adtraction import documented
from attribution_elt.sandbox.adtraction.channels import PENDING, REJECTED
from attribution_elt.sandbox.adtraction.data import AdtractionData
from attribution_elt.sandbox.adtraction.fields import read_fields
from attribution_elt.sandbox.adtraction.products import FeedBody
from attribution_elt.sandbox.adtraction.stockholm import header
from attribution_elt.sandbox.messages import Request, Response
from attribution_elt.sandbox.vendor import RefusalError, Route, bad_request


class Adtraction(AdtractionData):
    """Programs and product feeds for a partner, channels for a client."""

    def routes(self) -> Sequence[Route]:
        """Return the endpoints: six to read, one of them with two paths, and one to write."""
        commissions = "/partner/programs/commissions/{program_id}/"
        feed_info = "/partner/products/feedinfo/{program_id}/{channel_id}/"
        return [
            self._route("POST", "/partner/programs/", "programs", self._list_programs),
            self._route("GET", commissions, "commissions", self._list_commissions),
            self._route(
                "GET", commissions + "{channel_id}/", "commissions", self._list_commissions
            ),
            self._route("POST", "/partner/products/feed/", "feed", self._send_feed),
            self._route("GET", feed_info, "feedinfo", self._list_feeds),
            self._route("POST", "/client/channels/", "channels", self._list_channels),
            self._route("PUT", "/client/channels/", "channel_update", self._update_channel),
        ]

    def _route(
        self, method: str, path: str, endpoint: str, answer: Callable[..., Response]
    ) -> Route:
        token = self.partner_token if path.startswith("/partner/") else self.client_token
        return Route(method, self.root + path, partial(self._guard, token, endpoint, answer))

    def _guard(
        self,
        token: str,
        endpoint: str,
        answer: Callable[..., Response],
        request: Request,
        **ids: str,
    ) -> Response:
        """Call the endpoint if the token is valid and the quota is not exceeded."""
        given = request.headers.get("x-token") or request.query.get("token", [""])[0]
        if given != token:
            raise RefusalError(HTTPStatus.UNAUTHORIZED, "Unauthorized access")
        headers, refusal = self.quota.take(endpoint, self.now())
        try:
            if refusal:
                raise refusal
            response = answer(request, **{name: _number(text) for name, text in ids.items()})
        except RefusalError as refused:
            response = self.error(refused.status, refused.message)
        response.headers.update(headers)
        return response

    def _rows(self, rows: Sequence[Any], what: str, page: int | None = None) -> Response:
        """Return a list, a page of it, or the configured form of an empty list."""
        if self.page_size is not None and page is not None:
            start = page * self.page_size
            found = rows[start : start + self.page_size]
            head = {"count": len(rows), "pageSize": self.page_size, "page": page}
            return Response.json({**head, "data": found})
        if not rows and self.empty_as == "envelope":
            return Response.json({what.rsplit(maxsplit=1)[-1]: []})
        if not rows and self.empty_as == "message":
            return Response.json({"status": 200, "message": f"No {what} found."})
        if not rows and self.empty_as == "no_content":
            return Response(HTTPStatus.NO_CONTENT)
        response = Response.json(rows)
        response.headers["Content-Type"] = "application/json;charset=UTF-8"
        response.chunked = True
        return response

    # the partner's endpoints

    def _list_programs(self, request: Request) -> Response:
        """List the programs of a market."""
        statuses = ("approvalStatus", "status")
        wanted = read_fields(
            request, ("market", "programId", "channelId", "page", *statuses), required=["market"]
        )
        found = self.programs(wanted["market"], wanted.get("channelId"))
        is_filtered = bool(wanted.keys() & set(statuses))
        if self.filters_need_channel and "channelId" not in wanted and is_filtered:
            found = []
        for name in wanted.keys() & {"programId", *statuses}:
            found = [program for program in found if program[name] == wanted[name]]
        return self._rows(found, "programs", wanted.get("page", 0))

    def _list_commissions(
        self, _: Request, program_id: int, channel_id: int | None = None
    ) -> Response:
        """List a program's commission types in a channel's segment or the standard segment."""
        return self._rows(self.program(program_id, channel_id)["commissions"], "commissions")

    def _list_feeds(self, _: Request, program_id: int, channel_id: int) -> Response:
        """List a program's feeds."""
        program = self.program(program_id, channel_id)
        feeds = [feed | {"approvalStatus": program["approvalStatus"]} for feed in program["feeds"]]
        return self._rows(feeds, "product feeds")

    def _send_feed(self, request: Request) -> Response:
        """Return the products of one feed or of all feeds of a program."""
        wanted = read_fields(
            request,
            ("programId", "channelId", "feedId", "setEpi", "gt"),
            required=["programId", "channelId"],
        )
        channel_id = wanted["channelId"]
        program = self.program(wanted["programId"], channel_id)
        if channel_id in documented.PROGRAMS and program["feeds"]:
            response = self._rows([documented.PRODUCT], "products")
            response.headers |= {"count": "1", "feed_lastupdated": documented.FEED_LAST_UPDATED}
            response.chunked = False
            return response
        generated = self.feeds()
        asked_for = [
            generated[each["feedId"]]
            for each in program["feeds"]
            if wanted.get("feedId", each["feedId"]) == each["feedId"]
        ]
        body = FeedBody(
            asked_for,
            channel_id,
            self.product_bytes,
            set_epi=wanted.get("setEpi", False),
            google_ads=wanted.get("gt", False),
        )
        if not body.count:
            return self._rows([], "products")
        miscounted = any(each.id in self.miscounted_feeds for each in asked_for)
        return Response(
            body=body,
            length=body.length,
            chunked=self.chunked_feeds,
            headers={
                "Content-Type": "application/json;charset=UTF-8",
                "count": str(body.count + miscounted),
                "feed_lastupdated": header(max(each.updated for each in asked_for)),
            },
        )

    # the client's endpoints

    def _list_channels(self, request: Request) -> Response:
        """List the channels that applied."""
        wanted = read_fields(request, ("channelId", "affiliateId", "approvalStatus", "page"))
        page = wanted.pop("page", 0)
        if wanted.get("channelId") == documented.CHANNEL_ID:
            found = [documented.CHANNEL] if wanted.get("approvalStatus", 0) == REJECTED else []
        else:
            found = [row for row in self.channels() if wanted.items() <= row.items()]
        return self._rows(found, "channels", page)

    def _update_channel(self, request: Request) -> Response:
        """Approve or reject a channel."""
        wanted = read_fields(
            request,
            ("channelId", "approvalStatus", "rejectReason"),
            required=["channelId", "approvalStatus"],
        )
        status, reason = wanted["approvalStatus"], wanted.get("rejectReason")
        if status == PENDING:
            raise bad_request("Invalid approvalStatus. Expected value: 0 = rejected, 1 = approved")
        if status == REJECTED and reason is None:
            raise bad_request("Missing rejectReason.")
        channel_id = wanted["channelId"]
        is_known = self.set_status(channel_id, status, reason)
        if not is_known and channel_id != documented.CHANNEL_ID:
            raise RefusalError(HTTPStatus.NOT_FOUND, "Channel not found")
        return Response.json({"success": True})


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise bad_request(f"Invalid id: {text}. Expected value: a number")
    return int(text)
