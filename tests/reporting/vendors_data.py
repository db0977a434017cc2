"""The taps' records, as far as the report reads them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime
from typing import Any

from tap_adtraction.tap import TapAdtraction
from tap_attribution_io.tap import TapAttributionIo
from tap_ecdp.tap import TapEcdp
from tap_ihc.tap import TapIhc

from attribution_elt.kit.tap import VendorTap
from attribution_elt.meltano.project import SCHEMA, Extractor, Loader
from tests.targets.target_warehouse.clock import loading_at
from tests.targets.target_warehouse.warehouses import Line, Warehouse, record, schema

INSTANT = {"type": ["string", "null"], "format": "date-time"}
ORDERS = schema(
    "attributed_orders",
    ("website_id", "order_id"),
    website_id="integer",
    order_id="string",
    order_date_time=INSTANT,
    channel="string",
    customer_email="string",
    reporting_currency="string",
    order_value_converted="number",
)
EVENTS = schema("events", id="integer", created_at=INSTANT)
EVENT_ATTRIBUTIONS = schema(
    "event_attributions",
    id="integer",
    event_id="integer",
    attribution_model_name="string",
    medium_name="string",
    weight="number",
    event_weighted_amount="number",
)
ATTRIBUTIONS = schema(
    "attributions",
    ("conv_type_id", "conversion_id", "session_id"),
    conv_type_id="string",
    conversion_id="string",
    session_id="string",
    channel_label="string",
    ihc="number",
)

TAPS: dict[str, tuple[type[VendorTap], dict[str, Any]]] = {
    "tap-ecdp": (TapEcdp, {"api_key": "made-up"}),
    "tap-adtraction": (TapAdtraction, {}),
    "tap-attribution-io": (TapAttributionIo, {"public_key": "made-up"}),
    "tap-ihc": (TapIhc, {"api_key": "made-up"}),
}


def extractors(*names: str) -> list[Extractor]:
    """Return a project's extractors; all but Adtraction's have credentials."""
    return [Extractor(name, TAPS[name][0], schema_of(name), TAPS[name][1]) for name in names]


def schema_of(tap: str) -> str:
    return tap.replace("-", "_")


def loader(warehouse: Warehouse) -> Loader:
    return Loader("target-warehouse", warehouse.url, SCHEMA)


def load(
    warehouse: Warehouse,
    tap: str,
    *lines: Line,
    fails: bool = False,
    at: datetime | None = None,
    history: Sequence[str] = ("*",),
) -> None:
    """Load records of a tap with the real loader, now or at a moment."""
    settings = {"add_record_metadata": True, "default_target_schema": schema_of(tap)}
    with loading_at(at) if at else nullcontext():
        warehouse.load(*lines, fails=fails, history=list(history), **settings)


def order(
    number: str, day: str, amount: str | None, channel: str | None, currency: str | None = "EUR"
) -> dict[str, Any]:
    return record(
        "attributed_orders",
        website_id=1,
        order_id=number,
        order_date_time=f"{day}T23:30:00+00:00",
        channel=channel,
        customer_email="somebody@example.com",
        reporting_currency=currency,
        order_value_converted=amount and float(amount),
    )


def event(number: int, day: str) -> dict[str, Any]:
    return record("events", id=number, created_at=f"{day}T00:10:00Z")


def credit(
    number: int, event: int, model: str, channel: str, *, weight: float, amount: float | None
) -> dict[str, Any]:
    return record(
        "event_attributions",
        id=number,
        event_id=event,
        attribution_model_name=model,
        medium_name=channel,
        weight=weight,
        event_weighted_amount=amount,
    )


def session(conversion: str, number: str, channel: str, ihc: float) -> dict[str, Any]:
    return record(
        "attributions",
        conv_type_id="purchases",
        conversion_id=conversion,
        session_id=number,
        channel_label=channel,
        ihc=ihc,
    )
