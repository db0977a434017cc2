"""Amounts in several currencies, in every model that has amounts."""

from __future__ import annotations

from pathlib import Path

from tests.targets.target_warehouse.warehouses import DuckDB, Warehouse
from tests.transform.shop import Shop, commission, copied, order, output, purchase, session, touch

DAY = "2026-03-02T10:00:00Z"
RATES = "USD,EUR,2026-01-01,0.5\nsek,eur,2026-01-01,0.25\nSEK,EUR,2026-03-03,0.1\n"
SPEND = "2026-03-02,Email,usd,10,100\n2026-03-02,Email,EUR,3,\n"


def shop_with(warehouse: Warehouse, folder: Path, spend: str = SPEND) -> Shop:
    """Return a shop with exchange rates and spend."""
    copied(folder)
    rates = f"currency,to_currency,valid_from,rate\n{RATES}"
    (folder / "seeds" / "fx_rates.csv").write_text(rates)
    header = "spent_on,channel,currency,amount,impressions\n"
    (folder / "seeds" / "spend.csv").write_text(header + spend)
    return Shop(warehouse, folder)


def date_versions(shop: Shop, schema: str, table: str) -> None:
    """Make the old version of a row valid on 3 and 4 March, and the present one from then on."""
    replaced = "'2026-03-05 05:00:00+00'"
    past = f"_sdc_valid_from = '2026-03-03 05:00:00+00', _sdc_valid_to = {replaced}"
    shop.execute(f"UPDATE {{}} SET {past}", f"{table}__history", schema=schema)
    shop.execute(f"UPDATE {{}} SET _sdc_batched_at = {replaced}", table, schema=schema)


def test_spend_is_converted(warehouse: Warehouse, tmp_path: Path) -> None:
    shop = shop_with(warehouse, tmp_path / "models")
    orders = (order("1", DAY, 20.0, reporting_currency="USD"), order("2", DAY, 7.0))
    shop.load("tap_ecdp", "attributed_orders", *orders)
    shop.build("+fct_channel_daily", "+mmm_weekly", reporting_currency="eur")
    assert shop.failed == {}
    daily = shop.rows("fct_channel_daily", ("currency", "amount", "spend", "roas", "cpa"))
    assert daily == [("EUR", 17, 8, 17 / 8, 4)]
    weekly = shop.rows("mmm_weekly", ("kpi", "revenue_per_kpi", "email_spend", "email_impressions"))
    assert weekly == [(2, 8.5, 8, 100)]


def test_conversions_without_an_amount_are_in_no_currency(warehouse: Warehouse) -> None:
    shop = Shop(warehouse)
    shop.load("tap_ecdp", "attributed_orders", order("1", DAY, 20.0))
    shop.load("tap_ihc", "attributions", session("x", "1", "Email", 1.0))
    shop.build("+mmm_weekly", mmm_channels=["2nd Hand"])
    assert shop.failed == {}
    assert shop.rows("mmm_weekly", ("kpi", "revenue_per_kpi", "_2nd_hand_spend")) == [(2, 10.0, 0)]


def test_commissions_and_restatements_are_converted(duckdb: DuckDB, tmp_path: Path) -> None:
    shop = shop_with(duckdb, tmp_path / "models")
    shop.load("tap_attribution_io", "touchpoints", touch(1, "a", DAY, "affiliate/shoes"))
    shop.load("tap_attribution_io", "events", purchase(1, "a", DAY, 100.0))
    program = {"program_id": 9, "channel_id": 5, "market": "SE", "program_name": "Shoes"}
    shop.load("tap_adtraction", "programs", program)
    shop.load(
        "tap_adtraction",
        "commissions",
        commission(1, "SEK", 60.0),
        commission(2, "EUR", 7.0),
        commission(3, "%", 40.0),
    )
    for amount in (5.0, 4.0):
        row = order("1", DAY, amount, reporting_currency="USD", customer_id=None)
        shop.load("tap_ecdp", "attributed_orders", row, history=["attributed_orders"])
    date_versions(shop, "tap_ecdp", "attributed_orders")
    wanted = ("+fct_affiliate_cost", "+fct_restatements")
    shop.build(*wanted, reporting_currency="EUR", attribution_io_currency="sek")
    assert shop.failed == {}
    columns = ("currency", "amount", "commission_low", "commission_high")
    assert shop.rows("fct_affiliate_cost", columns) == [("EUR", 25, 7, 15)]
    assert shop.rows("fct_restatements", ("currency", "before", "after")) == [("EUR", 2.5, 2)]


def test_restatements_of_attribution_io_are_converted(duckdb: DuckDB, tmp_path: Path) -> None:
    shop = shop_with(duckdb, tmp_path / "models")
    shop.load("tap_attribution_io", "events", purchase(1, "a", DAY, 100.0))
    for weight in (60, 40):
        row = output(1, 1, None, weight)
        shop.load("tap_attribution_io", "event_attributions", row, history=["event_attributions"])
    date_versions(shop, "tap_attribution_io", "event_attributions")
    shop.build("+fct_restatements", reporting_currency="EUR", attribution_io_currency="USD")
    assert shop.rows("fct_restatements", ("currency", "before", "after")) == [("EUR", 30, 20)]


def test_spend_in_several_currencies_is_not_added_up(duckdb: DuckDB, tmp_path: Path) -> None:
    shop = shop_with(duckdb, tmp_path / "models", SPEND + "2026-03-02,Email,NOK,9,\n")
    shop.load("tap_ecdp", "attributed_orders", order("1", DAY, 7.0))
    columns = ("kpi", "revenue_per_kpi", "email_spend", "email_impressions")
    shop.build("+mmm_weekly")
    assert shop.rows("mmm_weekly", columns) == [(1, 7, None, 100)]
    assert "sums_have_one_currency" in {each.name for each in shop.tested if each.failures}
    shop.build("mmm_weekly", mmm_currency="eur")
    assert shop.rows("mmm_weekly", columns) == [(1, 7, 3, 0)]
    shop.build("+fct_channel_daily", reporting_currency="EUR")
    assert shop.failed == {"spend_is_converted": 1}


def test_sums_of_large_amounts_may_differ_by_their_last_digit(duckdb: DuckDB) -> None:
    """Doubles of 2e13 have no digit for cents."""
    shop = Shop(duckdb)
    persons = range(20)
    touches = [
        touch(7 * person + number, f"p{person}", DAY, "cpc/google")
        for person in persons
        for number in range(7)
    ]
    events = [purchase(each, f"p{each}", DAY, 1.2e12 + 0.37 * each) for each in persons]
    shop.load("tap_attribution_io", "touchpoints", *touches)
    shop.load("tap_attribution_io", "events", *events)
    shop.build("+fct_conversions")
    assert shop.failed == {}


def test_any_group_may_have_columns_of_mmm_weekly(duckdb: DuckDB) -> None:
    shop = Shop(duckdb)
    shop.load("tap_ecdp", "attributed_orders", order("1", DAY, 7.0))
    shop.build("+mmm_weekly", mmm_channels=["Women's Shoes", "E-mail/SMS & Push", 'Ü"'])
    columns = ("women_s_shoes_spend", "e_mail_sms___push_spend", "ü__spend")
    assert shop.rows("mmm_weekly", columns) == [(0, 0, 0)]
