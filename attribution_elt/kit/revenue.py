"""Declares a vendor's credits, which the report reads from the warehouse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class RevenueSource:
    """The credits of a vendor for its own conversions.

    Attributes:
        vendor: name of the vendor.
        noun: the vendor's word for a conversion, such as `order`.
        stream: stream whose runs load the credits.
        columns: names of the columns that `credits` reads, by table.
        credits: SELECT with a row for each share of a conversion. Its columns are `conversion` (an
        id as text), `moment`, `channel`, `currency`, `share` and `amount`, which add up to the
        conversion over all models, and `model` and `model_amount`, the amount by that model alone.
        Tables are names in braces.
        currency_hint: advice if the currency is null.
    """

    vendor: str
    noun: str
    stream: str
    columns: Mapping[str, Sequence[str]]
    credits: str
    currency_hint: str
