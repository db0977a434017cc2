"""Adtraction's settings, and the data that its endpoints return."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from typing_extensions import override

from attribution_elt.sandbox.adtraction import documented
from attribution_elt.sandbox.adtraction.channels import Channels
from attribution_elt.sandbox.adtraction.products import FeedBody
from attribution_elt.sandbox.adtraction.programs import Feed, Program, Programs
from attribution_elt.sandbox.exact_json import decode
from attribution_elt.sandbox.messages import Effect
from attribution_elt.sandbox.quota import Quota
from attribution_elt.sandbox.simulation import Change
from attribution_elt.sandbox.vendor import Clock, Vendor


class AdtractionData(Vendor):
    """The programs and product feeds of a partner, and the channels of a client.

    The ids of the document give the document's samples (module `documented`); all other data is
    generated. If live responses are known to differ from the document, the sandbox follows them.

    Withdrawals remove programs, commissions, feeds, the oldest products of feeds, and channels:
    `withdraw("program", program_id)`, `("commission", program_id, index)` with index 1,
    `("feed", feed_id)` and `("channel", channel_id)`. A feed that returns keeps its `lastUpdated`.
    """

    name = "adtraction"
    root = "/v3"
    secrets = ("partner_token", "client_token")

    def __init__(self, seed: int, clock: Clock) -> None:
        super().__init__(seed, clock)
        self.partner_token = "sandbox-partner-token"  # noqa: S105 (opens nothing but the sandbox)
        self.client_token = "sandbox-client-token"  # noqa: S105 (likewise)
        self.quota = Quota()
        self.empty_as: Literal["message", "list", "no_content", "envelope"] = "message"
        self.filters_need_channel = True  # without a channel, status filters find no programs
        self.page_size: int | None = None  # rows of a page; None: a list without pages
        self.unlisted_feeds: set[int] = set()  # ids of feeds that only `feedinfo` returns
        self.chunked_feeds = True
        self.miscounted_feeds: set[int] = set()  # ids of feeds with a wrong `count` header
        self.product_bytes = 1000
        # Set these before the first request:
        self.markets: Sequence[str] = ("SE", "NO", "DE")
        self.channel_ids: Sequence[int] = (114000001, 114000002)
        self.programs_per_market = 5
        self.feed_sizes: Sequence[int] = (25, 70, 130, 0)  # products per feed, repeated
        self.changed_feeds_share = 0.1  # share of the feeds that change each day
        self.channel_count = 12
        self._programs: Programs | None = None
        self._channels: Channels | None = None
        self._feed_changes: list[Change] = []
        self._decisions: list[Change] = []

    def truth(self) -> dict[str, list[dict[str, Any]]]:
        """Return the current programs, products and channels.

        Programs and products also have the ids of the request that returns them.
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
        return {"programs": programs, "products": products, "channels": self.channels()}

    def programs(self, market: str, channel_id: int | None = None) -> list[dict[str, Any]]:
        """Return a market's programs as a channel sees them; None never applied for any."""
        if self.emptied:
            return []
        if channel_id in documented.PROGRAMS:
            program = documented.PROGRAMS[channel_id]
            return [program] if market == program["market"] else []
        found = [
            self._seen(program, channel_id)
            for program in self._all_programs().by_market.get(market, [])
            if not self.is_gone("program", program.id)
        ]
        for program in found if self.unlisted_feeds else ():
            feeds = program["feeds"]
            program["feeds"] = [x for x in feeds if x["feedId"] not in self.unlisted_feeds]
        return self.in_order(found, market, channel_id)

    def program(self, program_id: int, channel_id: int | None = None) -> dict[str, Any]:
        """Return a program as a channel sees it; unknown ones have no commissions and no feeds."""
        for channel, sample in documented.PROGRAMS.items():
            if sample["programId"] == program_id and channel_id in {channel, None}:
                return sample
        for program in self._all_programs():
            if program.id == program_id and not self.is_gone("program", program_id):
                return self._seen(program, channel_id)
        return {"commissions": [], "feeds": []}

    def _seen(self, program: Program, channel_id: int | None) -> dict[str, Any]:
        """Return a program as a channel sees it, without withdrawn commissions and feeds."""
        seen = program.seen_by(channel_id)
        commissions = [
            commission
            for index, commission in enumerate(seen["commissions"])
            if index == 0 or not self.is_gone("commission", program.id, index)
        ]
        feeds = [feed for feed in seen["feeds"] if not self.is_gone("feed", feed["feedId"])]
        return seen | {"commissions": commissions, "feeds": feeds}

    def feeds(self) -> dict[int, Feed]:
        """Return all generated feeds by id, withdrawn ones included."""
        return self._all_programs().feeds()

    def products(self, feed_id: int, channel_id: int) -> list[dict[str, Any]]:
        """Return a feed's products as a channel gets them."""
        body = FeedBody([self.feeds()[feed_id]], channel_id, self.product_bytes)
        products: list[dict[str, Any]] = decode(b"".join(body))
        return products

    def change_feed(self, feed_id: int, *, gone: int = 1, new: int = 1) -> None:
        """Change some prices of a feed, drop its oldest products and add new ones."""
        with self.lock:
            change = Change(
                self.clock.today, lambda programs: programs.change_feed(feed_id, gone, new)
            )
            self._feed_changes.append(change)
            self._all_programs()

    def channels(self) -> list[dict[str, Any]]:
        """Return the channels that the client's endpoint lists."""
        if self.emptied:
            return []
        rows = self._all_channels().rows
        kept = [dict(row) for row in rows if not self.is_gone("channel", row["channelId"])]
        return self.in_order(kept, "channels")

    def set_status(self, channel_id: int, status: int, reason: int | None) -> bool:
        """Approve or reject a channel, and record that in the ledger; return whether it exists.

        The ledger's values are `approvalStatus` and `rejectReason`.
        """
        today = self.clock.today
        before = self._status(channel_id)
        if before is None:
            return False
        decision = Change(today, lambda channels: channels.decide(channel_id, status, reason))
        self._decisions.append(decision)
        self.ledger.append(Effect(today, str(channel_id), before, self._status(channel_id)))
        return True

    def _status(self, channel_id: int) -> list[int | None] | None:
        for row in self.channels():
            if row["channelId"] == channel_id:
                return [row["approvalStatus"], row.get("rejectReason")]
        return None

    @override
    def discard_data(self) -> None:
        self._programs = None
        self._channels = None

    def _all_channels(self) -> Channels:
        with self.lock:
            if self._channels is None:
                self._channels = Channels(self.random, self.clock.start, self.channel_count)
            self._channels.catch_up(self.clock.today, self._decisions)
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
                    withdrawn_share=self.withdrawals.share,
                )
            self._programs.catch_up(self.clock.today, self._feed_changes)
            return self._programs
