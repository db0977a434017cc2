"""Bugs of published attribution models, each with rows that reproduce it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from attribution_elt.core.errors import OpsError
from tests.targets.target_warehouse.warehouses import DuckDB, Warehouse
from tests.transform.shop import Shop, copied, order, output, purchase, touch

BASELINES = (
    "first",
    "last",
    "last_non_direct",
    "linear",
    "position_40_20_40",
    "time_decay_7d",
    "shapley",
    "markov_1",
)


@pytest.fixture
def shop(warehouse: Warehouse) -> Shop:
    """Return a shop with a person for each bug; the days of March 2026 are their stories."""
    made = Shop(warehouse)
    made.load(
        "tap_attribution_io",
        "touchpoints",
        # a person who buys three times
        touch(1, "thrice", "2026-03-01T08:00:00Z", "cpc/google/brand"),
        touch(2, "thrice", "2026-03-05T08:00:00Z", "email/letter"),
        # one touch, two touches, four touches
        touch(11, "one", "2026-03-01T08:00:00Z", "cpc/google"),
        touch(21, "two", "2026-03-01T08:00:00Z", "cpc/google"),
        touch(22, "two", "2026-03-02T08:00:00Z"),
        touch(31, "four", "2026-03-01T08:00:00Z", "affiliate/Search > Brand"),
        touch(32, "four", "2026-03-02T08:00:00Z", "cpc/google"),
        touch(33, "four", "2026-03-02T08:00:00Z", "cpc/google"),  # in the same second
        touch(34, "four", "2026-03-03T08:00:00Z"),
        # a touch after the conversion, and one 40 days before it
        touch(41, "late", "2026-01-20T08:00:00Z", "cpc/google"),
        touch(42, "late", "2026-03-01T08:00:00Z", "email/letter"),
        touch(43, "late", "2026-03-01T09:00:01Z", "cpc/google"),
        # the same path as that of `one`
        touch(51, "same", "2026-03-01T08:00:00Z", "cpc/google"),
        # in another source, an id and an instant that are the same
        touch(61, "midnight", "2026-03-31T21:30:00Z", "cpc/google"),
        # the last microsecond of the look-back
        touch(71, "edge", "2026-02-01T08:00:00Z", "cpc/google"),
        # without a client, as with `pii: drop`
        touch(81, None, "2026-03-01T08:00:00Z", "cpc/google"),
        touch(82, None, "2026-03-01T08:00:00Z", "email/letter"),
    )
    made.load(
        "tap_attribution_io",
        "events",
        purchase(101, "thrice", "2026-03-02T08:00:00Z", 100.0),
        purchase(102, "thrice", "2026-03-06T08:00:00Z", 50.0),
        purchase(103, "thrice", "2026-03-07T08:00:00Z", 10.0),
        purchase(111, "one", "2026-03-02T08:00:00Z", 30.0),
        purchase(121, "two", "2026-03-03T08:00:00Z", 40.0),
        purchase(131, "four", "2026-03-04T08:00:00Z", 80.0),
        purchase(141, "late", "2026-03-01T09:00:00Z", 20.0),
        purchase(151, "same", "2026-03-02T08:00:00Z", 70.0),
        purchase(161, "midnight", "2026-03-31T22:30:00Z", 60.0),
        purchase(171, "informs", "2026-03-31T22:30:00Z", 60.0, is_informational=True),
        purchase(181, "edge", "2026-03-03T08:00:00Z", 60.0),
        purchase(182, "edge", "2026-03-03T08:00:00.000001Z", 60.0),
    )
    made.load(
        "tap_attribution_io",
        "event_attributions",
        output(201, 111, 11, 100.0, medium_name="Paid", source_name="google"),
        output(202, 121, 21, 50.0, medium_name="Paid", source_name="google", campaign_name=None),
        output(203, 121, 22, 50.0, medium_name="Direct", source_name="direct"),
    )
    return made


def test_no_published_bug_is_present(shop: Shop) -> None:
    shop.build(
        *("+fct_credits", "+fct_conversions", "+fct_channel_daily", "+int_journeys"),
        reporting_timezone="Europe/Berlin",
        attribution_io_currency="EUR",
    )
    assert shop.failed == {}

    # windows are of a conversion, not of a customer: each is credited whole
    for number, amount in ((101, 100.0), (102, 50.0), (103, 10.0)):
        key = f"attribution_io:{number}"
        rows = shop.rows("fct_credits", ("model", "credit", "amount"), f"conversion_key = '{key}'")
        for model in BASELINES:
            credit = sum(row[1] for row in rows if row[0] == model)
            credited = sum(row[2] for row in rows if row[0] == model)
            assert (credit, credited) == (pytest.approx(1), pytest.approx(amount)), (key, model)
    firsts = shop.rows("fct_conversions", ("conversion_key",), "is_first_of_person")
    assert ("attribution_io:101",) in firsts
    assert ("attribution_io:102",) not in firsts

    # paths of one and two touches keep all of their credit
    position = "position_40_20_40"
    assert shop.credits(position, "attribution_io:111") == {"11": 1}
    assert shop.credits(position, "attribution_io:121") == {"21": 0.5, "22": 0.5}
    assert shop.credits(position, "attribution_io:131") == pytest.approx(
        {"31": 0.4, "32": 0.1, "33": 0.1, "34": 0.4}
    )

    assert shop.credits("first", "attribution_io:181") == {"71": 1}
    assert shop.credits("first", "attribution_io:182") == {}

    # touches without a client are persons of their own
    assert shop.rows(
        "int_paths_without_conversion",
        ("touches",),
        "touch_key IN ('attribution_io:81', 'attribution_io:82')",
    ) == [(1,), (1,)]

    # a name that contains " > " is one channel's, two touches of one second are two
    ((path, touches),) = shop.rows(
        "fct_conversions", ("path", "touches"), "conversion_key = 'attribution_io:131'"
    )
    assert json.loads(path) == ["Affiliates", "Paid Search", "Paid Search", "Direct"]
    assert touches == 4
    assert shop.credits("last_non_direct", "attribution_io:131") == {"33": 1}

    # no touch after the conversion, none out of the look-back
    for model in BASELINES:
        assert shop.credits(model, "attribution_io:141") == {"42": pytest.approx(1)}
    in_lookback = shop.rows(
        "int_journeys", ("touch_key", "in_lookback"), "conversion_key = 'attribution_io:141'"
    )
    assert [(key[-2:], bool(flag)) for key, flag in in_lookback] == [("41", False), ("42", True)]

    # a missing campaign makes no null key, a path met twice adds its amount twice
    ((missing,),) = shop.execute("SELECT count(*) FROM {} WHERE touch_key IS NULL", "fct_credits")
    assert missing == 0
    ((conversions, amount),) = shop.execute(
        "SELECT sum(conversions), sum(amount) FROM {} WHERE model = 'first' "
        "AND converted_on = '2026-03-02' AND channel = 'Paid Search'",
        "fct_channel_daily",
    )
    assert (conversions, amount) == (3, 200.0)

    # days begin at midnight of the reporting time zone, in which summer time has begun
    ((day,),) = shop.rows(
        "fct_conversions", ("converted_on",), "conversion_key = 'attribution_io:161'"
    )
    assert str(day) == "2026-04-01"
    assert shop.rows("fct_conversions", ("touches",), "conversion_key = 'attribution_io:171'") == []


def test_an_amount_without_a_rate_is_null_and_fails_a_test(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    folder = copied(tmp_path / "transform")
    rates = "currency,to_currency,valid_from,rate\nSEK,EUR,2026-03-01,0.1\nSEK,EUR,2026-03-03,0.2\n"
    (folder / "seeds" / "fx_rates.csv").write_text(rates)
    shop = Shop(warehouse, folder)
    shop.load(
        "tap_ecdp",
        "attributed_orders",
        order("1", "2026-03-02T10:00:00Z", 100.0, original_currency="SEK", reporting_currency=None),
        order("2", "2026-03-04T10:00:00Z", 100.0, original_currency="SEK", reporting_currency=None),
        order("3", "2026-03-04T10:00:00Z", 7.0, original_currency="EUR", reporting_currency=None),
        order("4", "2026-03-04T10:00:00Z", 100.0, original_currency="NOK", reporting_currency=None),
        order("5", "2026-02-04T10:00:00Z", 100.0, original_currency="SEK", reporting_currency=None),
    )
    shop.build("+fct_conversions", reporting_currency="EUR")
    amounts = shop.rows("fct_conversions", ("conversion_key", "amount", "currency"))
    assert amounts == [
        ("ecdp:1:1", pytest.approx(10.0), "EUR"),
        ("ecdp:1:2", pytest.approx(20.0), "EUR"),
        ("ecdp:1:3", 7.0, "EUR"),
        ("ecdp:1:4", None, "EUR"),
        ("ecdp:1:5", None, "EUR"),
    ]
    assert shop.failed == {"amounts_are_converted": 2}


def test_a_seed_that_is_not_valid_is_named(duckdb: DuckDB, tmp_path: Path) -> None:
    folder = copied(tmp_path / "transform")
    shop = Shop(duckdb, folder)
    shop.load("tap_ecdp", "attributed_orders", order("1", "2026-03-02T10:00:00Z", 100.0))
    seed = folder / "seeds" / "fx_rates.csv"
    seed.write_text("currency,to_currency,valid_from,rate\nSEK,EUR,2026-03-01,ten\n")
    with pytest.raises(OpsError, match=r"^fx_rates.csv: 'ten' in the column rate is not a double"):
        shop.build("+fct_conversions")
    seed.write_text("currency,to_currency,valid_from,rate\nSEK,EUR\n")
    with pytest.raises(OpsError, match=r"fx_rates.csv, line 2: 4 values are required$"):
        shop.build("+fct_conversions")
    seed.write_text("currency,rate\n")
    with pytest.raises(OpsError, match=r"the columns must be currency, to_currency, valid_from"):
        shop.build("+fct_conversions")
