"""tap-adtraction: settings and streams."""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterable, Sequence

from singer_sdk import typing as th
from singer_sdk.schema.source import SchemaDirectory
from typing_extensions import override

from attribution_elt.kit import settings
from attribution_elt.kit.stream import VendorStream, declared_in
from attribution_elt.kit.tap import VendorTap
from tap_adtraction import readers
from tap_adtraction.client import AdtractionClient
from tap_adtraction.programs import AdtractionReader


class TapAdtraction(VendorTap[AdtractionClient]):
    """Affiliate programs, commissions, product feeds and channels of Adtraction (API v3)."""

    name = "tap-adtraction"
    credentials = ("partner_token", "client_token")
    backfill_refusal = "the vendor returns the present state only"
    stream_types = declared_in(readers)
    schemas = SchemaDirectory(importlib.resources.files("schemas.adtraction"))
    config_jsonschema = th.PropertiesList(
        th.Property(
            "partner_token",
            th.StringType(min_length=1),
            secret=True,
            title="Partner token",
            description="API token of a partner account, from Account > Settings; gives access to "
            "programs, commissions, feeds and products",
        ),
        th.Property(
            "client_token",
            th.StringType(min_length=1),
            secret=True,
            title="Client token",
            description="API token of a client (advertiser) account; gives access to channels",
        ),
        th.Property(
            "auth_location",
            th.StringType(allowed_values=["header", "query"]),
            default="header",
            title="Location of the token",
            description="Part of the request that carries the token: `header` (X-Token) or `query`",
        ),
        th.Property(
            "markets",
            th.ArrayType(th.StringType(pattern="^[A-Z]{2}$")),
            title="Markets",
            description="ISO 3166-1 alpha-2 codes; required with `partner_token`",
        ),
        th.Property(
            "channel_ids",
            th.ArrayType(th.IntegerType(minimum=1)),
            title="Channels",
            description="Ids of the partner's channels; required for `products`",
        ),
        th.Property(
            "program_ids",
            th.ArrayType(th.IntegerType(minimum=1)),
            title="Programs",
            description="Ids of the programs to load; all if not set",
        ),
        th.Property(
            "approval_status",
            th.IntegerType(minimum=0),
            title="Approval status",
            description="Only programs of this status: 0 rejected, 1 approved, 2 pending review, "
            "3 not applied",
        ),
        th.Property(
            "program_status",
            th.IntegerType(minimum=0),
            title="Program status",
            description="Only programs of this status: 0 live, 3 closing",
        ),
        th.Property(
            "feed_set_epi",
            th.BooleanType,
            title="Product name as EPI",
            description="`setEpi` of the product feed: the product name in tracking links",
        ),
        th.Property(
            "feed_google_ads",
            th.BooleanType,
            title="Links for Google Ads",
            description="`gt` of the product feed: links that comply with Google's transparent "
            "click tracker",
        ),
        th.Property(
            "feed_info",
            th.BooleanType,
            default=False,
            title="Feed information",
            description="Also request `feedinfo` for each program and channel: fills "
            "`feeds.approval_status` and finds feeds that `programs` does not list",
        ),
        th.Property(
            "standard_commissions",
            th.BooleanType,
            default=False,
            title="Standard commissions",
            description="Also request the commissions of the standard segment, a request for each "
            "program: rows with `channel_id` 0",
        ),
        *settings.common("https://api.adtraction.net/v3"),
    ).to_dict()

    @override
    def make_clients(self) -> dict[str, AdtractionClient]:
        return {
            name: AdtractionClient(self.config, name)
            for name in self.credentials
            if self.config.get(name)
        }

    @override
    def discover_streams(self) -> Sequence[VendorStream]:
        return self.streams_of(
            stream_type
            for stream_type in self.stream_types
            if issubclass(stream_type.reader, AdtractionReader)
            and self.config.get(stream_type.reader.credential)
        )

    @override
    def setting_errors(self) -> Iterable[str]:
        yield from super().setting_errors()
        if not self.config.get("partner_token") and not self.config.get("client_token"):
            yield "setting 'partner_token' or 'client_token' is missing: at least one is needed"
        if not self.config.get("partner_token"):
            return
        if not self.config.get("markets"):
            yield "setting 'markets' is missing: `partner_token` needs at least one, such as SE"

    @override
    def selection_errors(self) -> Iterable[str]:
        products = self.streams.get("products")
        if products is None or self.config.get("channel_ids"):
            return
        # a connection test selects every stream, even those that the user deselected
        if products.selected and products.ABORT_AT_RECORD_COUNT is None:
            yield "setting 'channel_ids' is missing: the stream `products` needs at least one"
