"""Streams of Adtraction, and the reader of channels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from singer_sdk import Tap
from singer_sdk.schema.source import SchemaDirectory
from typing_extensions import override

from attribution_elt.kit.claims import Claim
from attribution_elt.kit.http.request import Request
from attribution_elt.kit.run import Run
from attribution_elt.kit.stream import VendorStream
from tap_adtraction.client import CHANNELS, Pages
from tap_adtraction.product_feeds import ProductFeeds
from tap_adtraction.programs import AdtractionReader, Programs


class Channels(AdtractionReader[None]):
    """Reads the channels that applied to the client's program."""

    credential = "client_token"

    @override
    def units(self) -> Iterator[None]:
        self.total = 1
        yield None

    @override
    def fetch(self, unit: None) -> Pages:
        request = Request(CHANNELS, "channels", method="POST", body={}, quota="channels")
        return Pages(self.client, request)

    @override
    def emit(self, unit: None, answer: Pages) -> None:
        for channel in answer:
            self.write("channels", channel)

    @override
    def claims(self, unit: None, answer: Pages) -> Iterator[Claim]:
        yield Claim("channels")


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

    def __init__(self, tap: Tap, run: Run[Any], schemas: SchemaDirectory) -> None:
        super().__init__(tap, run, schemas)
        self.selected_by_default = bool(self.config.get("channel_ids"))


class ChannelStream(VendorStream):
    """A channel that applied."""

    name = "channels"
    primary_keys = ("channel_id",)
    reader = Channels
