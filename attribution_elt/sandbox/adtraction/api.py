"""Adtraction as a whole: settings, tokens, quotas, and where its endpoints stand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal

from attribution_elt.sandbox.adtraction import client, documented, partner
from attribution_elt.sandbox.adtraction.channels import Channels
from attribution_elt.sandbox.adtraction.products import FeedBody
from attribution_elt.sandbox.adtraction.programs import Feed, Programs
from attribution_elt.sandbox.adtraction.quota import Quota
from attribution_elt.sandbox.exact_json import decode
from attribution_elt.sandbox.messages import Request, Response
from attribution_elt.sandbox.vendor import RefusalError, Route, Vendor

if TYPE_CHECKING:
    from attribution_elt.sandbox.clock import Clock


class Adtraction(Vendor):
    """Programs and product feeds for a partner, channels for a client.

    The module `documented` holds what the ids of the document give; the rest is generated.
    Where live answers are known to differ from the document, the sandbox answers as live.
    """

    name = "adtraction"
    root = "/v3"

    def __init__(self, seed: int, clock: Clock) -> None:
        super().__init__(seed, clock)
        self.partner_token = "sandbox-partner-token"  # noqa: S105 (opens nothing but the sandbox)
        self.client_token = "sandbox-client-token"  # noqa: S105 (likewise)
        self.quota = Quota()
        self.empty_as: Literal["message", "list", "no_content"] = "message"
        self.filters_need_channel = True  # else `approvalStatus` and `status` find nothing
        self.page_size: int | None = None  # of programs, in an envelope
        self.chunked_feeds = True
        self.miscounted_feeds: set[int] = set()  # ids of feeds whose `count` header is wrong
        self.product_bytes = 1000
        # To be set before the first request:
        self.markets: Sequence[str] = ("SE", "NO", "DE")
        self.channel_ids: Sequence[int] = (114000001, 114000002)
        self.programs_per_market = 5
        self.feed_sizes: Sequence[int] = (25, 70, 130, 0)  # products, of one feed after another
        self.changed_feeds_share = 0.1  # of all feeds, every day
        self.channel_count = 12
        self._programs: Programs | None = None
        self._channels: Channels | None = None

    @property
    def credentials(self) -> dict[str, str]:
        """The partner's and the client's token."""
        return {"partner_token": self.partner_token, "client_token": self.client_token}

    def routes(self) -> Sequence[Route]:
        """Give the six endpoints that read, one of them in two forms, and the one that writes."""
        commissions = "/partner/programs/commissions/{program_id}/"
        feed_info = "/partner/products/feedinfo/{program_id}/{channel_id}/"
        return [
            self._route("POST", "/partner/programs/", "programs", partner.programs),
            self._route("GET", commissions, "commissions", partner.commissions),
            self._route("GET", commissions + "{channel_id}/", "commissions", partner.commissions),
            self._route("POST", "/partner/products/feed/", "feed", partner.feed),
            self._route("GET", feed_info, "feedinfo", partner.feed_info),
            self._route("POST", "/client/channels/", "channels", client.channels),
            self._route("PUT", "/client/channels/", "channel_update", client.update_channel),
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
        """Let a request through to its endpoint if its token and the quota allow it."""
        given = request.headers.get("x-token") or request.query.get("token", [""])[0]
        if given != token:
            raise RefusalError(HTTPStatus.UNAUTHORIZED, "Unauthorized access")
        headers, refusal = self.quota.take(endpoint, self.now())
        try:
            if refusal:
                raise refusal
            response = answer(self, request, **{name: _number(text) for name, text in ids.items()})
        except RefusalError as refused:
            response = self.error(refused.status, refused.message)
        response.headers.update(headers)
        return response

    def rows(self, rows: Sequence[Any], what: str) -> Response:
        """Answer with a list, or with what stands for an empty one."""
        if not rows and self.empty_as == "message":
            return Response.json({"status": 200, "message": f"No {what} found."})
        if not rows and self.empty_as == "no_content":
            return Response(HTTPStatus.NO_CONTENT)
        response = Response.json(rows)
        response.headers["Content-Type"] = "application/json;charset=UTF-8"
        response.chunked = True
        return response

    def truth(self) -> dict[str, list[dict[str, Any]]]:
        """Give programs, products and channels as they are now.

        Programs and products bear, beside the vendor's properties, the ids they are asked for with.
        """
        programs = [
            {"channelId": channel_id, **program}
            for market in self.markets
            for channel_id in self.channel_ids
            for program in self.programs(market, channel_id)
        ]
        products = [
            {
                "channelId": program["channelId"],
                "requestedProgramId": program["programId"],
                "feedId": feed["feedId"],
                **product,
            }
            for program in programs
            for feed in program["feeds"]
            for product in self.products(feed["feedId"], program["channelId"])
        ]
        channels = [dict(channel) for channel in self.channels().rows]
        return {"programs": programs, "products": products, "channels": channels}

    def programs(self, market: str, channel_id: int | None = None) -> list[dict[str, Any]]:
        """Give a market's programs as a channel sees them; with none, as if it never applied."""
        if channel_id in documented.PROGRAMS:
            program = documented.PROGRAMS[channel_id]
            return [program] if market == program["market"] else []
        return [
            program.seen_by(channel_id)
            for program in self._all_programs().by_market.get(market, [])
        ]

    def program(self, program_id: int, channel_id: int | None = None) -> dict[str, Any]:
        """Give a program as a channel sees it; an unknown one has neither commissions nor feeds."""
        for channel, sample in documented.PROGRAMS.items():
            if sample["programId"] == program_id and channel_id in {channel, None}:
                return sample
        for program in self._all_programs():
            if program.id == program_id:
                return program.seen_by(channel_id)
        return {"commissions": [], "feeds": []}

    def feeds(self) -> dict[int, Feed]:
        """Give all generated feeds by id."""
        return {feed.id: feed for program in self._all_programs() for feed in program.feeds}

    def products(self, feed_id: int, channel_id: int) -> list[dict[str, Any]]:
        """Give a feed's products as a channel gets them."""
        body = FeedBody([self.feeds()[feed_id]], channel_id, self.product_bytes)
        products: list[dict[str, Any]] = decode(b"".join(body))
        return products

    def change_feed(self, feed_id: int, *, gone: int = 1, new: int = 1) -> None:
        """Update a feed now: some prices change, products go and come."""
        feed = self.feeds()[feed_id]
        feed.change(feed.updated + timedelta(minutes=1), gone, new)

    def channels(self) -> Channels:
        """Give the client's channels."""
        with self.lock:
            if self._channels is None:
                self._channels = Channels(self.random, self.clock.start, self.channel_count)
            self._channels.catch_up(self.clock.today)
            return self._channels

    def _all_programs(self) -> Programs:
        with self.lock:
            if self._programs is None:
                self._programs = Programs(
                    self.random,
                    self.clock.start,
                    markets=self.markets,
                    channel_ids=self.channel_ids,
                    programs_per_market=self.programs_per_market,
                    feed_sizes=self.feed_sizes,
                    changed_feeds_share=self.changed_feeds_share,
                )
            self._programs.catch_up(self.clock.today)
            return self._programs


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise RefusalError(HTTPStatus.BAD_REQUEST, f"Invalid id: {text}. Expected value: a number")
    return int(text)
