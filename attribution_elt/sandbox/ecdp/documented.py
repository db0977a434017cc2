"""The orders in the two sample answers of the document."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from importlib.resources import files

from attribution_elt.sandbox.ecdp.orders import Order
from attribution_elt.sandbox.exact_json import decode


@cache
def documented_orders() -> tuple[Order, ...]:
    """Return the orders of website 21."""
    records = decode((files(__package__) / "documented.json").read_bytes())
    return tuple(Order(datetime.fromisoformat(each["orderDateTime"]), each) for each in records)
