"""Makes text that every warehouse can store and every terminal can show."""

from __future__ import annotations

import re
from typing import Any

_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]"
)
"""Control characters except tab and line feed, and marks that change the direction of text."""


def storable(text: str) -> str:
    """Return text without NUL, and with U+FFFD for each half of a surrogate pair.

    Some warehouses cannot store NUL, and UTF-8 cannot encode half a pair.
    """
    return without_halves(text.replace("\x00", ""))


def without_halves(text: str) -> str:
    """Return text with U+FFFD for each half of a surrogate pair."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def counted(number: int, what: str) -> str:
    """Format a count with its noun."""
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def without_nul(value: Any) -> Any:
    """Return a JSON value with NUL removed from its texts and names."""
    if isinstance(value, str):
        return value.replace("\x00", "")
    if isinstance(value, dict):
        return {without_nul(name): without_nul(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [without_nul(inner) for inner in value]
    return value


def printable(text: str) -> str:
    """Return text without characters that can clear a terminal or reverse a line on it."""
    return _UNSAFE.sub("", storable(text))
