"""Websites, messages, customers and products of generated orders."""

from __future__ import annotations

import random
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

MESSAGE_TYPES = ("Newsletter", "Scenario")  # and confirmations, by e-mail only
CHANNELS = {  # and their weights
    "Email": 40,
    "SMS": 20,
    "WebPush": 15,
    "PopUp": 10,
    "Banner": 10,
    "Mobile": 5,
}


@dataclass(frozen=True)
class Website:
    """A shop, its currency, and that currency's rate in the reporting currency."""

    id: int
    currency: str
    rate: Decimal


WEBSITES = (
    Website(22, "EUR", Decimal(1)),
    Website(35, "PLN", Decimal("0.2347816")),
    Website(48, "SEK", Decimal("0.0887311542")),
)


def rate(website_id: int) -> Decimal:
    """Return the rate of a website's currency in the reporting currency."""
    return next(website.rate for website in WEBSITES if website.id == website_id)


PRODUCTS = (  # id, name, price in the smallest unit of a currency, category
    ("SKU-101", "Canvas Tote", 3990, "Bags"),
    ("SKU-225", "Water Bottle", 10280, "Accessories"),
    ("SKU-300", "Café crème mug", 1450, "Kitchen"),
    ("SKU-301", "Żółta kurtka przeciwdeszczowa", 34999, "Odzież"),
    ("SKU-302", "日本茶セット", 8800, "キッチン"),
    ("SKU-303", "Ножницы садовые", 2199, "Garden"),
    ("SKU-304", "Socks 🧦, three pairs", 1290, "Clothing"),
    ("SKU-305", 'Monitor 27" \\ stand', 45900, None),
    ("SKU-306", "Tea & <biscuits>", 799, "Kitchen"),
    ("SKU-307", "Linen, by the metre", 2450, "Fabric"),
    ("sku/308 b", "Geschenkgutschein\tA5", 5000, None),
    ("0042", "Crème brûlée torch", 2900, "Kitchen"),
)
BY_THE_METRE = "SKU-307"

ATTRIBUTES: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("coupon", ("SPRING10", "WELCOME", "VIP-20%")),
    ("shipping", ("courier", "pick-up point", "Paczkomat® 24/7")),
    ("loyaltyPoints", (0, 120, 3500)),
    ("giftWrap", (True, False)),
)
COLOURS = ("natural", "czerwony", "blå", "深緑")
RECOMMENDERS = (
    ("Onsite", "Bestsellers", 12, "Banner"),
    ("Onsite", "Recently viewed", 17, "PopUp"),
    ("Channel", "Similar products", 23, "Email"),
)
CUSTOMERS = 500
COLOURED, RECOMMENDED = 0.4, 0.15  # shares of the product lines


def message(rng: random.Random) -> dict[str, Any]:
    """Choose the message that an order is credited to."""
    channel = rng.choices(list(CHANNELS), list(CHANNELS.values()))[0]
    types = (*MESSAGE_TYPES, "Confirmation") if channel == "Email" else MESSAGE_TYPES
    message_type = rng.choice(types)
    place = list(CHANNELS).index(channel) * 10 + types.index(message_type)
    return {
        "channel": channel,
        "messageType": message_type,
        "messageId": 9000 + 100 * place + rng.randrange(8),
    }


def customer(rng: random.Random) -> dict[str, Any]:
    """Choose a customer; the same number always gives the same customer."""
    number = rng.randrange(CUSTOMERS)
    return {
        "id": 300000 + number,
        "email": "" if number % 7 == 0 else f"customer.{number}@example.com",
        "phone": "" if number % 3 else f"+48500{number:06}",
        "crmId": "" if number % 11 == 0 else str(100 + number),
    }


def line(rng: random.Random) -> dict[str, Any]:
    """Choose a product line."""
    product_id, name, price, category = rng.choice(PRODUCTS)
    metres = Decimal(rng.randrange(5, 80)).scaleb(-1)
    chosen: dict[str, Any] = {
        "id": product_id,
        "name": name,
        "price": Decimal(price).scaleb(-2),
        "quantity": metres if product_id == BY_THE_METRE else rng.choice((1, 1, 1, 2, 3)),
    }
    if category:
        chosen["category"] = category
    if rng.random() < COLOURED:
        chosen["productAttributes"] = [{"name": "color", "value": rng.choice(COLOURS)}]
    if rng.random() < RECOMMENDED:
        keys = ("scope", "type", "id", "channel")
        chosen["recommendationAttribution"] = dict(zip(keys, rng.choice(RECOMMENDERS), strict=True))
    return chosen


def order_attributes(rng: random.Random) -> list[dict[str, Any]]:
    """Choose an order's attributes, often none."""
    chosen = rng.sample(ATTRIBUTES, rng.choice((0, 0, 0, 1, 2)))
    return [{"name": name, "value": rng.choice(values)} for name, values in chosen]
