"""Adtraction's streams, and how their answers are read."""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

from typing_extensions import override

from attribution_elt.core.dates import instant, now_text
from attribution_elt.kit.errors import UnitError
from attribution_elt.kit.http.client import Request
from attribution_elt.kit.http.response import JsonResponse
from attribution_elt.kit.reader import Reader
from attribution_elt.kit.records.shaper import integer, timestamp
from attribution_elt.kit.tap import VendorStream, VendorTap
from tap_adtraction.client import CHANNELS, PROGRAMS, pages

DOCUMENTED = {"approvalStatus": (0, 1, 2), "status": (0, 3)}
"""What may be asked for; there are programs of other statuses, 3 for "not applied" among them."""


@dataclass(frozen=True, slots=True)
class ProgramList:
    """The programs of a market as a channel sees them; channel 0 stands for none."""

    market: str
    channel_id: int


@dataclass(frozen=True, slots=True)
class ProductFeed:
    """A product feed of a program; `last_updated` in UTC, if the vendor tells it."""

    channel_id: int
    program_id: int
    feed_id: int
    last_updated: str | None

    @property
    def name(self) -> str:
        """Return its bookmark's name."""
        return f"{self.channel_id}:{self.program_id}:{self.feed_id}"


class Programs(Reader[ProgramList, list[JsonResponse]]):
    """Reads program lists, which hold each program's commissions and feeds too.

    Attributes:
        feeds: the product feeds that were seen.
        whole: whether every list could be read.
    """

    def __init__(self, tap: VendorTap, streams: list[VendorStream]) -> None:
        super().__init__(tap, streams)
        self._client = tap.clients["partner_token"]
        self._ids = set(tap.config.get("program_ids") or ())
        self._filters = {
            "approvalStatus": tap.config.get("approval_status"),
            "status": tap.config.get("program_status"),
        }
        self.feeds: dict[str, ProductFeed] = {}
        self.whole = True
        self._unread = 0

    @property
    @override
    def test_satisfied(self) -> bool:
        wants_feeds = self.tap.streams["products"].selected and not self.feeds
        return super().test_satisfied and not wants_feeds

    @override
    def units(self) -> Iterator[ProgramList]:
        channel_ids = dict.fromkeys(self.tap.config.get("channel_ids") or [0])
        markets = dict.fromkeys(self.tap.config["markets"])
        self.total = len(markets) * len(channel_ids)
        for market, channel_id in product(markets, channel_ids):
            yield ProgramList(market, channel_id)

    @override
    def fetch(self, unit: ProgramList) -> list[JsonResponse]:
        body: dict[str, Any] = {"market": unit.market}
        if unit.channel_id:
            # without a channel the vendor's own filters find nothing
            filters = {n: v for n, v in self._filters.items() if v in DOCUMENTED[n]}
            body |= {"channelId": unit.channel_id, **filters}
        if len(self._ids) == 1:
            body["programId"] = next(iter(self._ids))
        request = Request(
            PROGRAMS,
            f"programs of market {unit.market}, channel {unit.channel_id}",
            method="POST",
            body=body,
            quota="programs",
        )
        return list(pages(self._client, request))

    @override
    def emit(self, unit: ProgramList, answer: list[JsonResponse]) -> None:
        for body in answer:
            for program in body:
                if self._is_wanted(program):
                    self._emit(unit, program)
            body.close()

    def _is_wanted(self, program: Any) -> bool:
        if not isinstance(program, dict):
            return True
        wanted = all(
            value is None or program.get(name) == value for name, value in self._filters.items()
        )
        return wanted and (not self._ids or program.get("programId") in self._ids)

    def _emit(self, unit: ProgramList, program: Any) -> None:
        parts: dict[str, list[Any]] = {"commissions": [], "feeds": []}
        program_id = None
        if isinstance(program, dict):
            program_id = program.get("programId")
            for name in parts:
                if isinstance(program.get(name), list):
                    parts[name] = program.pop(name)
        if not isinstance(program, dict) or program.get("feeds") is not None:
            self._unread += 1
        self._write("programs", program, market=unit.market, channel_id=unit.channel_id)
        key: dict[str, Any] = {"channel_id": unit.channel_id, "program_id": program_id}
        for name, rows in parts.items():
            for row in rows:
                self._write(name, row, **key)
        for row in parts["feeds"]:
            self._note(row, **key)

    def _write(self, stream: str, row: Any, **context: Any) -> None:
        if stream in self.streams:
            self.streams[stream].emit(row, **context)

    def _note(self, row: Any, *, channel_id: int, program_id: Any) -> None:
        """Take note of a feed to be downloaded: its ids are asked for as numbers."""
        if not channel_id:
            return
        try:
            ids = channel_id, integer(program_id), integer(row["feedId"])
        except (KeyError, TypeError, ValueError):
            self._unread += 1
            return
        try:
            updated = timestamp(row.get("lastUpdated"))
        except (ValueError, OverflowError):
            updated = None
        feed = ProductFeed(*ids, updated)
        self.feeds[feed.name] = feed

    @override
    def take_keyless_errors(self) -> Iterator[str]:
        told = list(super().take_keyless_errors())
        yield from told
        if self._unread and not told:
            yield f"feeds: {self._unread} programs or feeds that tell no id"
        self._unread = 0

    @override
    def on_failure(self, unit: ProgramList, error: UnitError) -> None:
        super().on_failure(unit, error)
        self.whole = False


class ProductFeeds(Reader[ProductFeed, list[JsonResponse]]):
    """Downloads the product feeds that are newer than their bookmarks."""

    def __init__(self, tap: VendorTap, streams: list[VendorStream]) -> None:
        super().__init__(tap, streams)
        self._client = tap.clients["partner_token"]
        self._options = {
            "setEpi": tap.config.get("feed_set_epi"),
            "gt": tap.config.get("feed_google_ads"),
        }

    @override
    def units(self) -> Iterator[ProductFeed]:
        programs = self.tap.read(Programs)
        bookmarks = self.streams["products"].units
        if programs.whole and not self.testing:
            for gone in bookmarks.keys() - programs.feeds.keys():
                del bookmarks[gone]
        feeds = [
            feed
            for feed in programs.feeds.values()
            if not (bookmark := bookmarks.get(feed.name))
            or not feed.last_updated
            or instant(feed.last_updated) > instant(bookmark)
        ]
        self.total = len(feeds)
        yield from feeds

    @override
    def fetch(self, unit: ProductFeed) -> list[JsonResponse]:
        body = {
            "programId": unit.program_id,
            "channelId": unit.channel_id,
            "feedId": unit.feed_id,
            **self._options,
        }
        request = Request(
            "partner/products/feed/",
            f"feed {unit.feed_id} of program {unit.program_id}, channel {unit.channel_id}",
            method="POST",
            body={name: value for name, value in body.items() if value is not None},
            quota="feed",
        )
        return list(pages(self._client, request))

    @override
    def emit(self, unit: ProductFeed, answer: list[JsonResponse]) -> None:
        products = self.streams["products"]
        context = {
            "channel_id": unit.channel_id,
            "program_id": unit.program_id,
            "feed_id": unit.feed_id,
            "feed_last_updated": unit.last_updated,
        }
        keys = ProductKeys()
        for body in answer:
            for row in body:
                products.emit(row, product_key=keys.of(row), **context)
            body.close()

    @override
    def on_complete(self, unit: ProductFeed) -> None:
        if unit.last_updated is not None:
            # a vendor whose clock is ahead must not make us miss what comes until then
            bookmark = min(unit.last_updated, now_text(), key=instant)
            self.streams["products"].units[unit.name] = bookmark


class ProductKeys:
    """Gives each row of one feed a key of its own.

    A feed may have more rows than memory should hold: of a key that was seen, 8 bytes are kept,
    of its hash. Should two hashes ever be equal, a row is numbered that need not have been.
    """

    def __init__(self) -> None:
        self._seen: defaultdict[int, array[int]] = defaultdict(partial(array, "Q"))
        self._times: Counter[str] = Counter()

    def of(self, row: Any) -> str | None:
        """Return the sku, or the hash of the URL where it is blank, numbered where it repeats."""
        if not isinstance(row, dict):
            return None
        key = unique = self._own_key(row)
        while not self._is_new(unique):  # a number may make it what another row is called
            self._times[key] += 1
            unique = f"{key}#{self._times[key] + 1}"
        return unique

    @staticmethod
    def _own_key(row: dict[str, Any]) -> str:
        sku = row.get("sku")
        key = str(sku) if sku is not None else ""
        if key.strip():
            return key
        return "sha256:" + hashlib.sha256(str(row.get("productUrl") or "").encode()).hexdigest()

    def _is_new(self, key: str) -> bool:
        short = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest())
        bucket = self._seen[short >> 52]
        at = bisect_left(bucket, short)
        if at < len(bucket) and bucket[at] == short:
            return False
        bucket.insert(at, short)
        return True


class Channels(Reader[None, list[JsonResponse]]):
    """Reads the channels that applied to the client's program."""

    def __init__(self, tap: VendorTap, streams: list[VendorStream]) -> None:
        super().__init__(tap, streams)
        self._client = tap.clients["client_token"]

    @override
    def units(self) -> Iterator[None]:
        self.total = 1
        yield None

    @override
    def fetch(self, unit: None) -> list[JsonResponse]:
        request = Request(CHANNELS, "channels", method="POST", body={}, quota="channels")
        return list(pages(self._client, request))

    @override
    def emit(self, unit: None, answer: list[JsonResponse]) -> None:
        for body in answer:
            for channel in body:
                self.streams["channels"].emit(channel)
            body.close()


class ProgramStream(VendorStream):
    """A program in a market, as one channel sees it."""

    name = "programs"
    primary_keys = ("market", "channel_id", "program_id")
    reader = Programs


class CommissionStream(VendorStream):
    """A commission type of a program."""

    name = "commissions"
    primary_keys = ("channel_id", "program_id", "commission_id")
    reader = Programs


class FeedStream(VendorStream):
    """A product feed of a program."""

    name = "feeds"
    primary_keys = ("channel_id", "program_id", "feed_id")
    reader = Programs


class ProductStream(VendorStream):
    """A product of a feed."""

    name = "products"
    primary_keys = ("channel_id", "program_id", "feed_id", "product_key")
    replication_key = "feed_last_updated"
    reader = ProductFeeds

    def __init__(self, tap: VendorTap) -> None:
        super().__init__(tap)
        self.selected_by_default = bool(self.config.get("channel_ids"))


class ChannelStream(VendorStream):
    """A channel that applied."""

    name = "channels"
    primary_keys = ("channel_id",)
    reader = Channels
