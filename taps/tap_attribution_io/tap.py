"""tap-attribution-io: settings and streams."""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterable

from singer_sdk import typing as th
from singer_sdk.schema.source import SchemaDirectory
from typing_extensions import override

from attribution_elt.kit import settings
from attribution_elt.kit.row_source import READERS, RowSource
from attribution_elt.kit.stream import declared_in
from attribution_elt.kit.tap import VendorTap
from tap_attribution_io import readers
from tap_attribution_io.client import ACCOUNT, AttributionClient
from tap_attribution_io.revenue import REVENUE

CUSTOMER_IDS = RowSource("customer_ids", "customer ids", (".txt", *READERS))


class TapAttributionIo(VendorTap[AttributionClient]):
    """Customers of Attribution.io with their events, touchpoints and attribution results."""

    name = "tap-attribution-io"
    credentials = ("public_key", "secret")
    backfill_refusal = (
        "each response has a customer's whole past; run the tap with --full-refresh instead"
    )
    stream_types = declared_in(readers)
    revenue = REVENUE
    schemas = SchemaDirectory(importlib.resources.files("schemas.attribution_io"))
    config_jsonschema = th.PropertiesList(
        th.Property(
            "public_key",
            th.StringType(min_length=1),
            required=True,
            secret=True,
            title="Public key",
            description="Public key of the project",
        ),
        th.Property(
            "secret",
            th.StringType(min_length=1),
            required=True,
            secret=True,
            title="Secret",
            description="Secret of the project",
        ),
        th.Property(
            "customer_ids",
            th.ArrayType(th.CustomType({"type": ["string", "integer"]})),
            title="Customer ids",
            description="Client ids of the customers to load; the vendor does not list customers",
        ),
        *CUSTOMER_IDS.properties(
            file="`.txt` (one id per line), or `.csv`, `.jsonl` or `.parquet` with a "
            "column `client_id`",
            url="SQLAlchemy URL of a database with the client ids",
            query="SELECT whose first column is the client id; `:since` in it is bound to the "
            "start of the last complete run",
        ),
        *settings.common("https://attribution.io/api/v1"),
    ).to_dict()

    @override
    def make_clients(self) -> dict[str, AttributionClient]:
        return {ACCOUNT: AttributionClient(self.config)}

    @override
    def setting_errors(self) -> Iterable[str]:
        yield from super().setting_errors()
        config = self.config
        if not any(config.get(f"customer_ids{way}") for way in ("", "_file", "_url")):
            yield (
                "setting 'customer_ids', 'customer_ids_file' or 'customer_ids_url' is missing: "
                "the vendor has no list of customers"
            )
        yield from CUSTOMER_IDS.setting_errors(config)
