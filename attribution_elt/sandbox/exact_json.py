"""JSON with exact decimals: 249.50 stays 249.50."""

from __future__ import annotations

from decimal import Decimal
from importlib.resources import files
from typing import Any

import msgspec

_encode = msgspec.json.Encoder(decimal_format="number").encode
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


def encode(value: Any) -> str:
    """Encode a value as compact JSON."""
    return _encode(value).decode()


def decode(text: str | bytes) -> Any:
    """Decode JSON, with decimal numbers as `Decimal`."""
    return _decode(text)


def documented(package: str | None) -> Any:
    """Return the samples of a vendor's document, which are in the vendor's package."""
    return decode((files(package or "") / "documented.json").read_bytes())
