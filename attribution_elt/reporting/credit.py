"""What IHC credits channels with, beside what the vendors credit them with themselves."""

# ruff: noqa: S608 - identifiers are quoted, and nothing else is put into SQL

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from target_warehouse.warehouses.base import Adapter

from attribution_elt.reporting.revenue import Source

STREAM, REFUSED = "attributions", "failures"
_COLUMNS = {"conv_type_id", "conversion_id", "channel_label", "ihc"}


@dataclass(frozen=True)
class Comparison:
    """The same conversions, credited by the model and by a vendor.

    Attributes:
        conv_type: of the model.
        vendor: whose conversions they are.
        tap: which of its accounts.
        currency: of the amounts; None if it is not told.
        shared: how many conversions that is.
        credited: how many the model has credited, the vendor's or not.
        channels: what the model, and then the vendor, credits each with.
    """

    conv_type: str
    vendor: str
    tap: str
    currency: str | None
    shared: int
    credited: int
    channels: dict[str | None, tuple[Decimal, Decimal]]


def is_there(adapter: Adapter) -> bool:
    """Tell whether the model has credited anything."""
    return adapter.columns(STREAM).keys() >= _COLUMNS and not adapter.is_empty(STREAM)


def comparisons(
    adapter: Adapter, credited: Iterable[tuple[Source, str, Adapter]]
) -> Iterator[Comparison]:
    """Yield, for each vendor whose conversions the model knows by their ids, what both say."""
    known = "SELECT conv_type_id, COUNT(DISTINCT conversion_id) FROM "
    totals = dict(adapter.execute(f"{known}{adapter.path(STREAM)} GROUP BY conv_type_id"))
    for source, tap, own in credited:
        credits_ = source.select(own)
        shared = {
            (conv_type, currency): int(count)
            for conv_type, currency, count in adapter.execute(_shared(adapter, credits_))
        }
        model = _by_channel(adapter, _model(adapter, credits_))
        vendor = _by_channel(adapter, _vendor(adapter, credits_))
        for conv_type, currency in sorted(model, key=str):
            ours, theirs = model[conv_type, currency], vendor.get((conv_type, currency), {})
            channels = {
                name: (ours.get(name, Decimal()), theirs.get(name, Decimal()))
                for name in {**ours, **theirs}
            }
            counts = shared[conv_type, currency], int(totals[conv_type])
            yield Comparison(conv_type, source.vendor, tap, currency, *counts, channels)


def _by_channel(
    adapter: Adapter, sql: str
) -> dict[tuple[str, str | None], dict[str | None, Decimal]]:
    found: dict[tuple[Any, Any], dict[str | None, Decimal]] = {}
    for conv_type, currency, channel, amount in adapter.execute(sql):
        found.setdefault((conv_type, currency), {})[channel] = Decimal(str(amount or 0))
    return found


def _shared(adapter: Adapter, credits_: str) -> str:
    """Return the SELECT of how many conversions the model and the vendor both know."""
    return (
        "SELECT conv_type_id, currency, COUNT(DISTINCT conversion_id) "
        f"FROM {adapter.path(STREAM)} AS model JOIN ({credits_}) AS credit "
        "ON conversion = conversion_id GROUP BY conv_type_id, currency"
    )


def _model(adapter: Adapter, credits_: str) -> str:
    """Return the SELECT of what the model says, of each conversion's whole amount."""
    return (
        "SELECT conv_type_id, currency, channel_label, SUM(ihc * amount) "
        f"FROM {adapter.path(STREAM)} AS model JOIN ("
        f"SELECT conversion, currency, SUM(amount) AS amount FROM ({credits_}) AS credit "
        "GROUP BY conversion, currency) AS counted ON conversion = conversion_id "
        "GROUP BY conv_type_id, currency, channel_label"
    )


def _vendor(adapter: Adapter, credits_: str) -> str:
    """Return the SELECT of what the vendor says, of the conversions that the model has credited."""
    return (
        f"SELECT conv_type_id, currency, channel, SUM(amount) FROM ({credits_}) AS credit "
        f"JOIN (SELECT DISTINCT conv_type_id, conversion_id FROM {adapter.path(STREAM)}) AS model "
        "ON conversion = conversion_id GROUP BY conv_type_id, currency, channel"
    )
