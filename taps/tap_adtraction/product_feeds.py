"""The reader of Adtraction's product feeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from typing_extensions import override

from attribution_elt.core.dates import instant, now_text
from attribution_elt.kit.claims import Claim
from attribution_elt.kit.http.request import Request
from attribution_elt.kit.records.keys import UniqueKeys, first_text, text_hash
from attribution_elt.kit.run import Run
from attribution_elt.kit.stream import VendorStream
from tap_adtraction.client import AdtractionClient, Pages
from tap_adtraction.programs import AdtractionReader, ProductFeed, Programs


class ProductFeeds(AdtractionReader[ProductFeed]):
    """Downloads the product feeds that are newer than their bookmarks."""

    units_of = "feeds"
    bookmark_settings = ("feed_set_epi", "feed_google_ads")

    def __init__(self, run: Run[AdtractionClient], streams: Sequence[VendorStream]) -> None:
        super().__init__(run, streams)
        self._options = {
            "setEpi": run.config.get("feed_set_epi"),
            "gt": run.config.get("feed_google_ads"),
        }
        self._withdrawn: list[str] | None = None

    @override
    def units(self) -> Iterator[ProductFeed]:
        programs = self.run.read(Programs)
        bookmarks = self.streams["products"].units
        if not programs.incomplete:
            unknown = tuple(programs.without_feeds)
            self._withdrawn = [
                name
                for name in bookmarks
                if name not in programs.feeds and not name.startswith(unknown)
            ]
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
    def fetch(self, unit: ProductFeed) -> Pages:
        body = {
            "programId": unit.program_id,
            "channelId": unit.channel_id,
            "feedId": unit.feed_id,
            **self._options,
        }
        request = Request(
            "partner/products/feed/",
            unit.about,
            method="POST",
            body={name: value for name, value in body.items() if value is not None},
            quota="feed",
        )
        return Pages(self.client, request)

    @override
    def emit(self, unit: ProductFeed, answer: Pages) -> None:
        context = {
            "channel_id": unit.channel_id,
            "program_id": unit.program_id,
            "feed_id": unit.feed_id,
            "feed_last_updated": unit.last_updated,
        }
        keys, rows = UniqueKeys(), 0
        for rows, row in enumerate(answer, 1):  # noqa: B007 - the last number is the count
            self.write("products", row, product_key=keys.of(product_key(row)), **context)
        totals = self.run.totals
        totals.compare("products", unit.about, "number_of_products", unit.products, rows)

    @override
    def on_complete(self, unit: ProductFeed) -> None:
        if unit.last_updated is not None:
            now = now_text()
            # if the vendor's clock is ahead, a bookmark in the future would hide updates until then
            bookmark = min(unit.last_updated, now, key=instant)
            self.streams["products"].units[unit.name] = bookmark

    @override
    def claims(self, unit: ProductFeed, answer: Pages) -> Iterator[Claim]:
        yield Claim("products", _ids_of(unit.name))

    @override
    def closing_claims(self) -> Iterator[Claim]:
        """Yield an empty claim for each feed that is no longer listed, and remove its bookmark."""
        if self._withdrawn is None or self.testing:
            return
        known = self.listed_ids("products")
        for name in self._withdrawn:
            if known.unchanged:
                yield Claim("products", _ids_of(name))
            del self.streams["products"].units[name]
        known.save({})  # the bookmarks list the feeds


def _ids_of(feed: str) -> dict[str, Any]:
    """Return the ids of a feed, given the name of its bookmark."""
    names = ("channel_id", "program_id", "feed_id")
    return dict(zip(names, map(int, feed.split(":")), strict=True))


def product_key(row: Any) -> str:
    """Return a product's sku, or the hash of its URL if the sku is blank."""
    product = row if isinstance(row, dict) else {"productUrl": row}
    return first_text(product, "sku") or text_hash(str(product.get("productUrl") or ""))
