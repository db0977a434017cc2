"""Runs tap-ecdp against the sandbox, and computes the expected rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

from tap_ecdp.tap import TapEcdp

from attribution_elt.sandbox import Sandbox
from attribution_elt.sandbox.ecdp import Ecdp
from tests import tap_process
from tests.tap_process import Output, Row, Rows, selected

ORDERS = "attributed_orders"
LINES = "attributed_order_lines"
KEYS = {ORDERS: ("website_id", "order_id"), LINES: ("website_id", "order_id", "line_number")}


def shrink(sandbox: Sandbox) -> None:
    """Give the sandbox few orders, so that it is quick to read."""
    sandbox.ecdp.orders_per_day = 4
    sandbox.ecdp.history_days = 40
    sandbox.ecdp.restated_share = 0.05


def settings(sandbox: Sandbox, **more: Any) -> dict[str, Any]:
    """Return settings that read the whole sandbox, up to its current day."""
    return settings_of(sandbox.ecdp, **more)


def settings_of(vendor: Ecdp, **more: Any) -> dict[str, Any]:
    """Return settings that read everything of the vendor, up to its current day."""
    given = {
        "api_url": vendor.url,
        "api_key": vendor.api_key,
        "start_date": str(vendor.first_day),
        "end_date": str(vendor.clock.today),
        "max_retries": 3,
        "request_timeout": 5,
        **more,
    }
    return {name: value for name, value in given.items() if value is not ...}


def run(folder: Path, config: Mapping[str, Any], *arguments: str, **given: Any) -> Output:
    """Run the console script."""
    return tap_process.run(folder, "tap-ecdp", *arguments, config=config, **given)


def run_here(config: Mapping[str, Any], **given: Any) -> Output:
    """Run the tap within the test."""
    return tap_process.run_here(TapEcdp, config, **given)


def catalog(config: Mapping[str, Any], *streams: str, without: Iterable[str] = ()) -> Row:
    """Return a catalog with only these streams selected, and without these properties."""
    return selected(TapEcdp(config=dict(config)), streams, without=without)


def bookmarks(state: Mapping[str, Any]) -> set[str | None]:
    """Return the bookmarks of both streams, which should be equal."""
    streams = state.get("bookmarks", {})
    return {streams.get(name, {}).get("replication_key_value") for name in KEYS}


def bookmarks_after(output: Output) -> set[str | None]:
    """Return the bookmarks at the end of a run."""
    return bookmarks(output.states[-1])


def by_key(stream: str, rows: Iterable[Row]) -> Rows:
    """Rows by their stream's key."""
    return {tuple(row[key] for key in KEYS[stream]): row for row in rows}


def instant(text: str) -> datetime:
    """Parse an emitted instant, which must be in UTC."""
    assert text.endswith(("Z", "+00:00"))
    return datetime.fromisoformat(text)


def expected_orders(truth: Iterable[Row], currency: str | None = None) -> Rows:
    """Return the rows of attributed_orders, without the spelling of instants."""
    rows = [
        {
            "website_id": order["websiteId"],
            "order_id": order["orderId"],
            "order_date_time": datetime.fromisoformat(order["orderDateTime"]),
            "channel": order["channel"],
            "message_type": order["messageType"],
            "message_id": order["messageId"],
            "customer_id": order["customer"]["id"],
            "customer_email": order["customer"]["email"] or None,
            "customer_phone": order["customer"]["phone"] or None,
            "customer_crm_id": order["customer"]["crmId"] or None,
            "order_value_converted": order["orderValueConverted"],
            "reporting_currency": currency,
            "original_total_value": order["originalTotalValue"],
            "original_currency": order["originalCurrency"],
            "products_count": order["productsCount"],
            "order_attributes": order.get("orderAttributes"),
            "_extra": None,
        }
        for order in truth
    ]
    return by_key(ORDERS, rows)


def expected_lines(truth: Iterable[Row]) -> Rows:
    """Return the rows of attributed_order_lines, without the spelling of instants."""
    rows = [
        {
            "website_id": order["websiteId"],
            "order_id": order["orderId"],
            "line_number": number,
            "order_date_time": datetime.fromisoformat(order["orderDateTime"]),
            "id": line["id"],
            "name": line["name"],
            "price": line["price"],
            "quantity": line["quantity"],
            "returned": line.get("returned"),
            "category": line.get("category"),
            "product_attributes": line.get("productAttributes"),
            "recommendation_attribution": line.get("recommendationAttribution"),
            "_extra": None,
        }
        for order in truth
        for number, line in enumerate(order.get("orderDetails", ()), 1)
    ]
    return by_key(LINES, rows)


def emitted_rows(rows: Rows) -> Rows:
    """Return emitted rows with their instants parsed."""
    return {
        key: {**row, "order_date_time": instant(row["order_date_time"])}
        for key, row in rows.items()
    }


def matches_truth(sandbox: Sandbox, *outputs: Output, currency: str | None = None) -> bool:
    """Return whether a warehouse that has loaded these outputs equals the vendor's truth."""
    warehouse: dict[str, Rows] = {name: {} for name in KEYS}
    for output in outputs:
        for name in KEYS:
            warehouse[name] |= output.rows(name)
    truth = sandbox.ecdp.truth()
    assert emitted_rows(warehouse[ORDERS]) == expected_orders(truth, currency)
    assert emitted_rows(warehouse[LINES]) == expected_lines(truth)
    return True


def requested_windows(sandbox: Sandbox) -> list[tuple[date, date]]:
    """Return the requested windows in the order of time."""
    windows = [
        (
            date.fromisoformat(request.query["startDate"][0]),
            date.fromisoformat(request.query["endDate"][0]),
        )
        for request in sandbox.ecdp.requests
    ]
    return sorted(windows)
