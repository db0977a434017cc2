"""Credits of the same conversions by several models: IHC's, and those of the vendors."""

# ruff: noqa: S608 - identifiers and literals are quoted, and nothing else is put into SQL

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from target_warehouse.warehouses.base import Adapter

from attribution_elt.kit.revenue import RevenueSource
from attribution_elt.reporting.revenue import credits_of

STREAM, REFUSED = "attributions", "failures"
IHC = "IHC"
_COLUMNS = {"conv_type_id", "conversion_id", "channel_label", "ihc"}


@dataclass
class Comparison:
    """Amounts by model and channel of the same conversions.

    Attributes:
        source: the vendor of the conversions.
        tap: the account.
        currency: currency of the amounts, None if the vendor does not send it.
        conv_type: IHC's conversion type; None if IHC has not credited these conversions.
        conversions: number of conversions.
        amounts: amounts by channel, by model.
    """

    source: RevenueSource
    tap: str
    currency: str | None
    conv_type: str | None
    conversions: int = 0
    amounts: dict[str, dict[str | None, Decimal]] = field(default_factory=dict)


def is_there(adapter: Adapter) -> bool:
    """Return whether IHC has credited anything."""
    return adapter.columns(STREAM).keys() >= _COLUMNS and not adapter.is_empty(STREAM)


def own_models(
    adapter: Adapter, source: RevenueSource, tap: str, since: date
) -> Iterator[Comparison]:
    """Yield, for each currency, the amounts by a vendor's own models, if it has several."""
    credit = _since(adapter, source, since)
    counts = adapter.execute(
        f"SELECT NULL, currency, COUNT(DISTINCT conversion) FROM {credit} GROUP BY currency"
    )
    amounts = adapter.execute(
        f"SELECT NULL, currency, model, channel, SUM(model_amount) FROM {credit} "
        "GROUP BY currency, model, channel"
    )
    found = _compared(source, tap, counts, amounts)
    yield from (each for each in found if len(each.amounts) > 1)


def with_ihc(
    adapter: Adapter, own: Adapter, source: RevenueSource, tap: str, since: date
) -> Iterator[Comparison]:
    """Yield, for each conversion type and currency, the amounts by IHC and by the vendor.

    Both are of the conversions that the warehouse has from both.
    """
    ihc, credit = adapter.path(STREAM), _since(own, source, since)
    counts = adapter.execute(
        "SELECT conv_type_id, currency, COUNT(DISTINCT conversion_id) "
        f"FROM {ihc} AS ihc JOIN {credit} ON conversion = conversion_id "
        "GROUP BY conv_type_id, currency"
    )
    by_ihc = adapter.execute(
        f"SELECT conv_type_id, currency, '{IHC}', channel_label, SUM(ihc * amount) "
        f"FROM {ihc} AS ihc JOIN (SELECT conversion, currency, SUM(amount) AS amount "
        f"FROM {credit} GROUP BY conversion, currency) AS counted ON conversion = conversion_id "
        "GROUP BY conv_type_id, currency, channel_label"
    )
    by_vendor = adapter.execute(
        f"SELECT conv_type_id, currency, model, channel, SUM(model_amount) FROM {credit} "
        f"JOIN (SELECT DISTINCT conv_type_id, conversion_id FROM {ihc}) AS ihc "
        "ON conversion = conversion_id GROUP BY conv_type_id, currency, model, channel"
    )
    yield from _compared(source, tap, counts, [*by_ihc, *by_vendor])


def _since(adapter: Adapter, source: RevenueSource, since: date) -> str:
    """Return the credits since a day, as a table of a FROM clause."""
    return (
        f"(SELECT * FROM ({credits_of(source, adapter)}) AS every "
        f"WHERE moment >= {adapter.dialect.literal(str(since))}) AS credit"
    )


def _compared(
    source: RevenueSource,
    tap: str,
    counts: list[tuple[Any, ...]],
    amounts: list[tuple[Any, ...]],
) -> list[Comparison]:
    found = {
        (conv_type, currency): Comparison(source, tap, currency, conv_type, int(count))
        for conv_type, currency, count in counts
    }
    in_order = sorted(amounts, key=lambda row: (row[2] != IHC, str(row[2])))
    for conv_type, currency, model, channel, amount in in_order:
        by_channel = found[conv_type, currency].amounts.setdefault(model, {})
        by_channel[channel] = Decimal(str(amount or 0))
    return [found[key] for key in sorted(found, key=str)]
