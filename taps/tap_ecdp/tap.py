"""tap-ecdp: settings and streams."""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterable

from singer_sdk import typing as th
from singer_sdk.schema.source import SchemaDirectory
from typing_extensions import override

from attribution_elt.core.dates import day_of
from attribution_elt.kit import settings
from attribution_elt.kit.settings import MOST_DAYS
from attribution_elt.kit.stream import declared_in
from attribution_elt.kit.tap import VendorTap
from tap_ecdp import readers
from tap_ecdp.client import ACCOUNT, EcdpClient
from tap_ecdp.revenue import REVENUE


class TapEcdp(VendorTap[EcdpClient]):
    """Orders that ECDP (ExpertSender CDP) attributed to messages, and their product lines."""

    name = "tap-ecdp"
    credentials = ("api_key",)
    backfill_refusal = ""
    stream_types = declared_in(readers)
    revenue = REVENUE
    schemas = SchemaDirectory(importlib.resources.files("schemas.ecdp"))
    config_jsonschema = th.PropertiesList(
        th.Property(
            "api_key",
            th.StringType(min_length=1),
            required=True,
            secret=True,
            title="API key",
            description="API key of the business unit, from Settings > API in ECDP",
        ),
        th.Property(
            "start_date",
            th.DateType,
            required=True,
            title="Start date",
            description="First day of the first run",
        ),
        th.Property(
            "end_date",
            th.DateType,
            title="End date",
            description="Last day, for backfills; today (UTC) if not set",
        ),
        th.Property(
            "lookback_days",
            th.IntegerType(minimum=0, maximum=MOST_DAYS),
            default=30,
            title="Look-back",
            description="Days before the bookmark that are read again: orders are re-attributed, "
            "returned and cancelled for weeks",
        ),
        th.Property(
            "window_days",
            th.IntegerType(minimum=1, maximum=MOST_DAYS),
            default=7,
            title="Window",
            description="Days per request; halved when the vendor times out or answers 5xx, "
            "down to 1 day",
        ),
        th.Property(
            "website_ids",
            th.ArrayType(th.IntegerType(minimum=1)),
            title="Websites",
            description="Only orders of these websites, one request each; all if not set",
        ),
        th.Property(
            "message_types",
            th.ArrayType(th.StringType(allowed_values=["Newsletter", "Scenario", "Confirmation"])),
            title="Message types",
            description="Only orders credited to these types of message, one request each; "
            "all if not set",
        ),
        th.Property(
            "reporting_currency",
            th.StringType,
            title="Reporting currency",
            description="Currency that every row gets, because the vendor does not send it",
        ),
        *settings.common("https://api.ecdp.app"),
    ).to_dict()

    @override
    def make_clients(self) -> dict[str, EcdpClient]:
        return {ACCOUNT: EcdpClient(self.config)}

    @override
    def setting_errors(self) -> Iterable[str]:
        errors = list(super().setting_errors())
        yield from errors
        first, last = self.config.get("start_date"), self.config.get("end_date")
        if not errors and first and last and day_of(last) < day_of(first):
            yield f"setting 'end_date': {last!r} is before 'start_date' {first!r}"
