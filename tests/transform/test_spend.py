"""Costs of channels that the user keeps in a CSV file."""

from __future__ import annotations

from pathlib import Path

from tests.targets.target_warehouse.warehouses import Warehouse
from tests.transform.shop import Shop, copied, order


def test_spend_without_a_conversion_counts(warehouse: Warehouse, tmp_path: Path) -> None:
    folder = copied(tmp_path / "models")
    (folder / "seeds" / "spend.csv").write_text(
        "spent_on,channel,currency,amount,impressions\n"
        "2026-03-02,Email,EUR,2,1000\n2026-03-18,Email,EUR,3,\n"
    )
    shop = Shop(warehouse, folder)
    shop.load("tap_ecdp", "attributed_orders", order("1", "2026-03-02T10:00:00Z", 5.0))
    shop.build("+mmm_weekly", "+fct_channel_daily")
    columns = ("converted_on", "conversions", "amount", "spend", "roas", "cpa")
    found = [(str(row[0]), *row[1:]) for row in shop.rows("fct_channel_daily", columns)]
    assert found == [("2026-03-02", 1, 5, 2, 2.5, 2), ("2026-03-18", 0, 0, 3, 0, None)]
    weekly = ("time", "kpi", "revenue_per_kpi", "email_spend", "email_impressions")
    weeks = [(str(row[0]), *row[1:]) for row in shop.rows("mmm_weekly", weekly)]
    assert weeks == [
        ("2026-03-02", 1, 5, 2, 1000),
        ("2026-03-09", 0, None, 0, 0),
        ("2026-03-16", 0, None, 3, 0),
    ]


def test_spend_does_not_make_an_unknown_amount_zero(small: Shop, tmp_path: Path) -> None:
    small.folder = copied(tmp_path / "models")
    (small.folder / "seeds" / "spend.csv").write_text(
        "spent_on,channel,currency,amount,impressions\n2026-03-02,Email,EUR,2,\n"
    )
    small.load(
        "tap_ecdp",
        "attributed_orders",
        order("1", "2026-03-02T10:00:00Z", 5.0, order_value_converted=None),
    )
    small.build("+fct_channel_daily")
    columns = ("conversions", "amount", "spend", "roas")
    assert small.rows("fct_channel_daily", columns) == [(1, None, 2, None)]
