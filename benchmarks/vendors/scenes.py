"""The scenes: by vendor, the sandbox's settings, the taps' configuration and the expected rows."""

# ruff: noqa: S608 - the names are the benchmark's own

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from vendors.landed import Row, Table
from vendors.serving import Served

from attribution_elt.sandbox.ihc.journeys import journeys

DAYS = 60  # days with orders


@dataclass(frozen=True)
class Scene:
    """A vendor and the data to read, at several sizes.

    Attributes:
        vendor: The vendor's name in the sandbox.
        settings: The sandbox's settings for each size.
        streams: The streams of the project's tap.
        config: Returns the taps' configuration; it may write files into a folder.
        tables: The tables to compare.
        restart: Whether each contender gets a new sandbox, because the vendor has a quota.
        sent: Returns the data to send for a size and a day, to a vendor without data.
    """

    name: str
    vendor: str
    settings: tuple[dict[str, Any], ...]
    streams: tuple[str, ...]
    config: Callable[[Served, Any, Path], dict[str, Any]]
    tables: tuple[Table, ...]
    restart: bool = False
    sent: Callable[[int, date], Any] | None = None

    def options(self, size: int, latency: float) -> list[str]:
        """Return the sandbox's options for one of the sizes; responses take `latency` seconds."""
        settings = {"latency": latency, **self.settings[size]}
        owner = self.vendor.replace("-", "_")
        return [f"--set={owner}.{name}={value!r}" for name, value in settings.items()]


def _adtraction_config(*_: Any) -> dict[str, Any]:
    return {"markets": ["SE"], "channel_ids": [114000001]}


def _products(truth: Any) -> Iterator[Row]:
    names = ("productUrl", "ean", "productName", "productPrice", "oldPrice")
    return (tuple(each.get(name) for name in names) for each in truth["products"])


def _feeds(programs: int, *sizes: int) -> dict[str, Any]:
    return {
        "markets": ("SE",),
        "channel_ids": (114000001,),
        "programs_per_market": programs,
        "feed_sizes": sizes,
    }


PRODUCTS = Table(
    "products",
    keys=("product_url",),
    values=("ean", "product_name", "product_price", "old_price"),
    truth=_products,
)
"""A feed's products need not have a sku, so peers use the page as their key."""


def _ecdp_config(served: Served, *_: Any) -> dict[str, Any]:
    return {"start_date": str(served.today - timedelta(DAYS)), "end_date": str(served.today)}


def _orders(truth: Any) -> Iterator[Row]:
    names = ("websiteId", "orderId", "orderDateTime", "channel", "orderValueConverted")
    return (tuple(order[name] for name in names) for order in truth)


def _lines(truth: Any) -> Iterator[Row]:
    for order in truth:
        for line in order["orderDetails"]:
            yield order["websiteId"], order["orderId"], line["id"], line["price"]


ORDERS = (
    Table(
        "orders",
        keys=("website_id", "order_id"),
        values=("order_date_time", "channel", "order_value_converted"),
        truth=_orders,
        queries={
            "own": "SELECT website_id, order_id, order_date_time, channel, order_value_converted "
            "FROM attributed_orders"
        },
    ),
    Table(
        "order lines",
        keys=("website_id", "order_id", "id", "price"),
        truth=_lines,
        queries={
            "own": "SELECT website_id, order_id, id, price FROM attributed_order_lines",
            "nested": "SELECT website_id, order_id, order_details FROM orders",
            "children": "SELECT website_id, order_id, line.id, price "
            "FROM orders__order_details AS line JOIN orders ON orders._dlt_id = _dlt_parent_id",
        },
        parts=("id", "price"),
    ),
)


def _ignite_config(served: Served, *_: Any) -> dict[str, Any]:
    found = served.credentials
    return {
        "websites": [
            {
                "name": "website_1",
                "token": found["website_1_token"],
                "secret": found["website_1_secret"],
            }
        ]
    }


def _members(truth: Any) -> Iterator[Row]:
    for number, hashes in truth["website_1"]["audience_members"].items():
        yield from ((number, each) for each in hashes or ())


IGNITE = (
    Table(
        "visitors",
        keys=("hashed_email",),
        truth=lambda truth: ((each,) for each in truth["website_1"]["visitors"]),
    ),
    Table(
        "locations",
        keys=("id",),
        values=("latitude", "street"),
        truth=lambda truth: (
            (each["id"], each["latitude"], each["street"])
            for each in truth["website_1"]["locations"]
        ),
    ),
    Table("audience_members", keys=("audience_id", "hashed_email"), truth=_members),
)


def _people(visitors: int, audiences: int) -> dict[str, Any]:
    return {
        "website_count": 1,
        "sizes.visitors": visitors,
        "sizes.locations": visitors // 4,
        "sizes.audiences": audiences,
        "sizes.members": 200,
    }


def _attribution_config(_: Served, truth: Any, __: Path) -> dict[str, Any]:
    return {"customer_ids": [customer["client_id"] for customer in truth]}


def _parts(name: str, *columns: str) -> Callable[[Any], Iterator[Row]]:
    return lambda truth: (
        tuple(part.get(column) for column in columns)
        for customer in truth
        for part in customer[name]
    )


def _part(name: str, *columns: str) -> Table:
    return Table(
        name,
        keys=columns[:1],
        values=columns[1:],
        truth=_parts(name, *columns),
        queries={
            "nested": f"SELECT {name} FROM customers",
            "children": f"SELECT {', '.join(columns)} FROM customers__{name}",
        },
        parts=columns,
    )


CUSTOMERS = (
    Table(
        "customers",
        keys=("client_id",),
        values=("id", "created_at"),
        truth=lambda truth: ((each["client_id"], each["id"], each["created_at"]) for each in truth),
    ),
    _part("events", "id", "created_at", "amount"),
    _part("pageviews", "id", "created_at", "url"),
    _part("touchpoints", "id", "created_at", "ip_address"),
)


JOURNEYS = (180, 1_800, 5_000)  # numbers of journeys by size


def _journeys(size: int, today: date) -> list[dict[str, Any]]:
    return list(journeys(JOURNEYS[size], today))


def _ihc_config(_: Served, truth: Any, folder: Path) -> dict[str, Any]:
    file = folder / "journeys.jsonl"
    file.write_text("".join(f"{json.dumps(session)}\n" for session in truth))
    return {"conv_type_id": "new_customers", "journeys_file": str(file)}


SESSIONS = Table(
    "attributions",
    keys=("conversion_id", "session_id"),
    values=("channel_label",),
    truth=lambda truth: (
        (each["conversion_id"], each["session_id"], each["channel_label"]) for each in truth
    ),
)

SCENES = (
    Scene(
        "Adtraction, one feed",
        "adtraction",
        (_feeds(1, 2_000), _feeds(1, 20_000), _feeds(1, 200_000)),
        ("programs", "products"),
        _adtraction_config,
        (PRODUCTS,),
    ),
    Scene(
        "Adtraction, many feeds",
        "adtraction",
        (_feeds(130, 400),),
        ("programs", "products"),
        _adtraction_config,
        (PRODUCTS,),
        restart=True,
    ),
    Scene(
        "ECDP, 60 days of orders",
        "ecdp",
        tuple({"history_days": DAYS, "orders_per_day": each} for each in (20, 200, 600)),
        ("attributed_orders", "attributed_order_lines"),
        _ecdp_config,
        ORDERS,
    ),
    Scene(
        "Ignite, audiences",
        "ignite",
        (_people(800, 10), _people(3_000, 100), _people(6_000, 250)),
        ("visitors", "locations", "audiences", "audience_members"),
        _ignite_config,
        IGNITE,
    ),
    Scene(
        "Attribution.io, customers",
        "attribution-io",
        tuple({"customer_count": each} for each in (50, 200, 500)),
        (
            *("customers", "customer_attributions", "customer_event_counts", "events"),
            *("event_attributions", "pageviews", "touchpoints", "identities"),
        ),
        _attribution_config,
        CUSTOMERS,
    ),
    Scene(
        "IHC, journeys",
        "ihc",
        ({}, {}, {}),
        ("attributions", "failures"),
        _ihc_config,
        (SESSIONS,),
        sent=_journeys,
    ),
)
