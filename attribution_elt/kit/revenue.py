"""The declaration of a vendor's credits, which the report reads from the warehouse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

KNOWN_FROM, KNOWN_UNTIL = "known_from", "known_until"
"""Columns of a credit: the period in which it was known."""


@dataclass(frozen=True)
class RevenueSource:
    """Credits of a vendor for its own conversions.

    Attributes:
        noun: the vendor's word for a conversion, such as `order`.
        stream: stream whose runs load the credits.
        columns: names of the columns that `credits` reads, by table.
        conversions: the column with the id of the conversion, by table.
        credits: SELECT with a row for each share of a conversion. Its columns are `moment`,
            `channel`, `currency`, `share` and `amount`, which add up to the conversion over all
            models, and `KNOWN_FROM` and `KNOWN_UNTIL`. Tables are names in braces. Each has
            both columns too, and `KNOWN_FROM` is equal in rows that were known at the same time:
            joins compare it.
        currency_hint: advice to the user if the currency is null.
    """

    vendor: str
    noun: str
    stream: str
    columns: Mapping[str, Sequence[str]]
    conversions: Mapping[str, str]
    credits: str
    currency_hint: str
