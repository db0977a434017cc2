"""JSON in which a decimal keeps its digits: 249.50 stays 249.50."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

_plain = json.JSONEncoder(ensure_ascii=False).encode


def encode(value: Any) -> str:
    """Write a value as compact JSON."""
    match value:
        case Decimal():
            return format(value, "f")
        case dict():
            members = (f"{_plain(key)}:{encode(item)}" for key, item in value.items())
            return "{" + ",".join(members) + "}"
        case list() | tuple():
            return "[" + ",".join(map(encode, value)) + "]"
        case _:
            return _plain(value)


def decode(text: str | bytes) -> Any:
    """Read JSON, with decimals as `Decimal`."""
    return json.loads(text, parse_float=Decimal)
