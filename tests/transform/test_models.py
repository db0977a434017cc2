"""The models on existing, partly existing and missing tables."""

from __future__ import annotations

import json
import random
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from target_warehouse.columns import ColumnType
from target_warehouse.warehouses.registry import connect

from attribution_elt.models.tables import streams_of
from tests.targets.target_warehouse.warehouses import Warehouse
from tests.transform.shop import TAPS, Shop, commission, order, output, purchase, session, touch
from tests.transform.test_restatements import load_all

DAY = datetime(2026, 3, 1, tzinfo=UTC)
TYPES = {
    ColumnType.BOOLEAN: {"boolean"},
    ColumnType.DATE: {"date"},
    ColumnType.INTEGER: {"bigint"},
    ColumnType.JSON: {"varchar"},
    ColumnType.TEXT: {"varchar", "double precision"},  # the loader has no doubles
    ColumnType.TIMESTAMP: {"timestamp"},
}


def test_double_claims_of_the_model_match_the_generated_ones(warehouse: Warehouse) -> None:
    rng = random.Random(11)
    shop, orders, events, outputs, touches, made = Shop(warehouse), [], [], [], [], set()
    for number in range(300):
        moment = DAY + timedelta(minutes=rng.randrange(60 * 24 * 20))
        kind = rng.choice(("order", "event", "both", "unclaimed by a message", "uncredited"))
        client = f"person{number}@example.com"
        if kind != "event":
            channel = None if kind == "unclaimed by a message" else "Email"
            more = {"customer_id": number, "customer_email": client, "message_id": number % 5}
            orders.append(order(f"T{number}", moment.isoformat(), 10.0, channel, **more))
        if kind != "order":
            touches.append(touch(number, client, moment.isoformat(), "cpc/google"))
            sold = (moment + timedelta(minutes=1)).isoformat()
            transaction = f"T{number}" if kind != "event" else None
            events.append(purchase(number, client, sold, 10.0, transaction_id=transaction))
            if kind != "uncredited":
                names = {"medium_name": "cpc", "source_name": "google"}
                outputs.append(output(2 * number, number, number, 100.0, **names))
                decay = {**names, "attribution_model_name": "Time Decay"}
                outputs.append(output(2 * number + 1, number, number, 100.0, **decay))
        if kind == "both":
            made.add(f"attribution_io:{number}")
    # an order id that two websites share is one conversion's, the nearest in time
    orders.append({**orders[0], "website_id": 2, "order_date_time": "2026-01-01T00:00:00Z"})
    shop.load("tap_ecdp", "attributed_orders", *orders)
    shop.load("tap_attribution_io", "touchpoints", *touches)
    shop.load("tap_attribution_io", "events", *events)
    shop.load("tap_attribution_io", "event_attributions", *outputs)
    shop.build()
    assert shop.failed == {}
    rows = shop.rows(
        "fct_double_claims", ("conversion_key", "vendors", "total_claimed", "amount_over")
    )
    assert {row[0] for row in rows} == made
    assert {row[1:] for row in rows} == {(2, 2.0, 10.0)}
    ((claimants,),) = shop.rows(
        "fct_double_claims", ("claimants",), f"conversion_key = '{min(made)}'"
    )
    assert {each["claimant"]: each["channel"] for each in json.loads(claimants)} == {
        "attribution_io": "Paid Search",
        "ecdp": "Email",
    }
    disagreement = shop.rows(
        "fct_model_disagreement",
        ("channel", "share_a", "share_b", "conversions", "total_variation"),
        "model_a = 'attribution_io:Linear' AND model_b = 'ecdp'",
    )
    assert disagreement == [
        ("Email", 0.0, 1.0, len(made), 1.0),
        ("Paid Search", 1.0, 0.0, len(made), 1.0),
    ]


def test_a_conversion_without_a_date_does_not_hide_another(warehouse: Warehouse) -> None:
    shop = Shop(warehouse)
    day = "2026-03-02T10:00:00Z"
    undated = {**order("A", day, 5.0), "order_date_time": None}
    orders = ({**order("A", day, 5.0), "website_id": 2}, undated, order("B", day, 7.0))
    shop.load("tap_ecdp", "attributed_orders", *orders)
    shop.load(
        "tap_attribution_io",
        "events",
        purchase(1, "a", day, 5.0, transaction_id="A"),
        {**purchase(2, "b", day, 7.0, transaction_id="B"), "created_at": None},
    )
    shop.build("+int_conversions__unioned")
    assert shop.failed == {}
    assert shop.rows("int_conversions__unioned", ("conversion_key", "matched_key")) == [
        ("attribution_io:1", "ecdp:2:A"),
        ("ecdp:1:B", None),
    ]


def test_a_user_with_one_vendor_gets_its_models(warehouse: Warehouse) -> None:
    shop = Shop(warehouse)
    shop.load(
        "tap_ecdp",
        "attributed_orders",
        order("1", "2026-03-02T10:00:00Z", 5.0),
        order("2", "2026-03-02T10:00:00Z", 7.0, "Fax", customer_id=None),
        order("3", "2026-03-02T10:00:00Z", 9.0, None),
    )
    shop.build()
    assert shop.failed == {}
    credits_ = shop.rows("fct_credits", ("conversion_key", "model", "touch_key", "amount"))
    assert credits_ == [
        ("ecdp:1:1", "ecdp", "channel:Email", 5.0),
        ("ecdp:1:2", "ecdp", "channel:Unassigned", 7.0),
    ]
    assert shop.rows("dim_messages", ("message_id", "orders")) == [(7, 1), (7, 1), (7, 1)]
    for name in ("int_journeys", "fct_channel_effects", "stg_ihc__credits", "dim_programs"):
        assert name in shop.left_out
    with pytest.raises(Exception, match="int_journeys"):
        shop.rows("int_journeys", ("touch_key",))


def test_sessions_from_a_file_are_journeys_too(warehouse: Warehouse) -> None:
    """Their ids may equal those of Attribution.io's rows, but they are different sessions."""
    shop = Shop(warehouse)
    touches = (
        touch(1, "a", "2026-03-01T10:00:00Z", "cpc/google"),
        touch(2, "a", "2026-03-01T11:00:00Z", "email/letter"),
    )
    shop.load("tap_attribution_io", "touchpoints", *touches)
    shop.load("tap_attribution_io", "events", purchase(7, "a", "2026-03-02T10:00:00Z", 50.0))
    shop.load(
        "tap_ihc",
        "attributions",
        session("7", "1", "Paid", 0.25),
        session("7", "2", "Letters", 0.75),
        session("shop-1", "1", "Newspaper", 0.5),
        session("shop-1", "2", "Email", 0.5, timestamp="2026-03-02T09:00:00Z"),
    )
    shop.build("+fct_credits", "+dim_channels")
    assert shop.failed == {}
    assert shop.credits("ihc", "attribution_io:7") == {"1": 0.25, "2": 0.75}
    own = "ihc:purchases:shop-1"
    assert shop.credits("ihc", own) == {f"{own}:1": 0.5, f"{own}:2": 0.5}
    assert shop.credits("last", own) == {f"{own}:2": 1}
    channels = shop.rows("dim_channels", ("channel", "channel_group"))
    assert ("Newspaper", "Unassigned") in channels
    assert ("Email", "Email") in channels
    # two conversion types are two models
    shop.load("tap_ihc", "attributions", session("7", "1", "Paid", 1.0) | {"conv_type_id": "x"})
    shop.build("+mmm_weekly", "+fct_credits")
    weeks = shop.rows("mmm_weekly", ("kpi", "paid_search_credit_ihc", "email_credit_ihc"))
    assert weeks == [(2, pytest.approx((0.25 + 1) / 2), pytest.approx(0.75 / 2 + 0.5))]
    assert shop.credits("ihc:x", "attribution_io:7") == {"1": 1}
    assert shop.credits("ihc:purchases", "attribution_io:7") == {"1": 0.25, "2": 0.75}


def test_sessions_of_one_conversion_may_have_several_times(small: Shop) -> None:
    """A loader that leaves rows of a journey's earlier form in the table."""
    moved = {"conversion_timestamp": "2026-03-02T12:00:00Z"}
    sessions = (session("x", "1", "Email", 0.5), session("x", "2", "Email", 0.5, **moved))
    small.load("tap_ihc", "attributions", *sessions)
    small.build("+fct_conversions")
    assert small.failed == {}
    conversions = small.rows("fct_conversions", ("conversion_key", "touches"))
    assert conversions == [("ihc:purchases:x", 2)]


def test_touches_from_before_computers_are_in_a_long_lookback(warehouse: Warehouse) -> None:
    shop = Shop(warehouse)
    touches = (touch(1, "a", "1970-01-01T00:00:00Z"), touch(2, "b", "1970-01-01T00:00:00Z"))
    recent = touch(3, "b", "2026-03-02T10:00:00Z")
    shop.load("tap_attribution_io", "touchpoints", *touches, recent)
    purchases = (purchase(each, "ab"[each], "2026-03-02T10:00:00Z", 5.0) for each in range(2))
    shop.load("tap_attribution_io", "events", *purchases)
    shop.build("+fct_credits", lookback_days=36500)
    assert shop.failed == {}
    assert shop.credits("time_decay_7d", "attribution_io:0") == {"1": 1}
    assert shop.credits("time_decay_7d", "attribution_io:1") == {"2": pytest.approx(0), "3": 1}


def test_a_vendor_may_credit_less_but_not_more(small: Shop) -> None:
    touches = (touch(1, "a", "2026-03-01T10:00:00Z"), touch(2, "a", "2026-03-01T10:00:00Z"))
    small.load("tap_attribution_io", "touchpoints", *touches)
    small.load(
        "tap_attribution_io",
        "events",
        purchase(7, "a", "2026-03-02T10:00:00Z", 50.0),
        purchase(8, "a", "2026-03-02T10:00:00Z", 50.0),
    )
    outputs = (output(1, 7, 1, 60.0), output(2, 8, 1, 60.0), output(3, 8, None, 60.0))
    small.load("tap_attribution_io", "event_attributions", *outputs)
    small.build("+fct_credits", "+fct_conversions")
    assert small.failed == {"credits_sum_to_one": 1}
    partial = small.rows("fct_conversions", ("conversion_key", "partial_models"))
    assert partial == [
        ("attribution_io:7", '["attribution_io:Linear"]'),
        ("attribution_io:8", "[]"),
    ]


def test_rows_that_are_marked_as_deleted_do_not_count(warehouse: Warehouse) -> None:
    shop = Shop(warehouse)
    orders = (order("1", "2026-03-02T10:00:00Z", 5.0), order("2", "2026-03-02T10:00:00Z", 7.0))
    shop.load("tap_ecdp", "attributed_orders", *orders)
    marked = "UPDATE {} SET _sdc_deleted_at = CURRENT_TIMESTAMP WHERE order_id = '2'"
    shop.execute(marked, "attributed_orders", schema="tap_ecdp")
    shop.build("stg_ecdp__orders")
    assert shop.rows("stg_ecdp__orders", ("order_id",)) == [("1",)]


def test_columns_that_were_not_selected_are_null(small: Shop) -> None:
    small.load("tap_ecdp", "attributed_orders", order("1", "2026-03-02T10:00:00Z", 5.0))
    for name in ("reporting_currency", "customer_email"):
        drop = f"ALTER TABLE {{}} DROP COLUMN {name}"
        small.execute(drop, "attributed_orders", schema="tap_ecdp")
    small.build("+fct_conversions")
    assert small.rows("stg_ecdp__orders", ("currency", "email_hash")) == [(None, None)]
    assert small.rows("fct_conversions", ("amount", "currency")) == [(5.0, "EUR")]


def test_commissions_range_from_the_lowest_to_the_highest_of_their_day(small: Shop) -> None:
    touches = (
        touch(1, "a", "2026-03-01T10:00:00Z", "affiliate/shoes"),
        touch(2, "b", "2026-03-01T10:00:00Z", "affiliate/somebody"),
    )
    small.load("tap_attribution_io", "touchpoints", *touches)
    small.load(
        "tap_attribution_io",
        "events",
        purchase(1, "a", "2026-03-02T10:00:00Z", 100.0),
        purchase(2, "b", "2026-03-02T10:00:00Z", 200.0),
    )
    program = {"market": "SE", "channel_id": 5, "program_name": "Shoes", "currency": "SEK"}
    small.load(
        "tap_adtraction",
        "programs",
        {**program, "program_id": 9},
        {**program, "program_id": 9, "market": "FR", "program_name": "Chaussures"},
    )
    small.load(
        "tap_adtraction",
        "commissions",
        commission(1, "%", 5.0),
        commission(2, "%", 8.0),
        commission(3, "eur", 6.0),
        commission(4, "%", 50.0, transaction_type=4),
        commission(5, "%", 1.0, program=10),
    )
    small.build("+fct_affiliate_cost", attribution_io_currency="EUR")
    assert small.failed == {}
    columns = ("program_id", "amount", "commission_low", "commission_high")
    assert small.rows("fct_affiliate_cost", columns) == [
        (0, 200.0, 2.0, 16.0),
        (9, 100.0, 5.0, 8.0),
    ]


def test_first_commissions_of_a_program_count_before_it_was_loaded(warehouse: Warehouse) -> None:
    shop = Shop(warehouse)
    day = "2026-03-02T10:00:00Z"
    for number, name in (1, "shoes"), (2, "hats"):
        client = f"c{number}"
        shop.load(
            "tap_attribution_io", "touchpoints", touch(number, client, day, f"affiliate/{name}")
        )
        shop.load("tap_attribution_io", "events", purchase(number, client, day, 100.0))
        program = {"market": "SE", "channel_id": 5, "program_id": number, "program_name": name}
        shop.load("tap_adtraction", "programs", program)
        row = commission(1, "%", 4.0 + number, program=number)
        shop.load("tap_adtraction", "commissions", row, history=["commissions"])
        shop.execute(
            f"UPDATE {{}} SET _sdc_batched_at = '2026-03-0{4 * number - 3} 05:00:00+00:00' "
            f"WHERE program_id = {number}",
            "commissions",
            schema="tap_adtraction",
        )
    shop.build("+fct_affiliate_cost")
    assert shop.failed == {}
    costs = shop.rows("fct_affiliate_cost", ("program_id", "commission_high"))
    assert costs == [(1, 5.0), (2, 6.0)]


def everything(shop: Shop) -> Shop:
    """Load an empty table of every stream."""
    for source in TAPS:
        for stream in streams_of(source):
            shop.load(source, stream)
    return shop


def test_every_model_is_described_as_it_is_built(small: Shop) -> None:
    everything(small).build()
    assert small.left_out == {}
    with closing(connect(small.warehouse.url, "attribution")) as adapter:
        for name in (each.name for each in small.built):
            if name not in small.parsed.seeds:
                declared = small.parsed.descriptions[name].columns
                columns = adapter.columns(name)
                assert list(columns) == list(declared), name
                for column, found in columns.items():
                    type_ = "double precision" if found.type == "DOUBLE" else None
                    known = {type_} if type_ else TYPES[found.kind]
                    assert declared[column] in known, f"{name}.{column}"


def test_credits_of_ihc_end_with_their_conversion(warehouse: Warehouse) -> None:
    """IHC still has the credits of an event that Attribution.io has withdrawn."""
    shop = Shop(warehouse)
    load_all(shop, events=[purchase(each, "a", "2026-03-02T10:00:00Z", 50.0) for each in (7, 8)])
    load_all(shop, events=[purchase(8, "a", "2026-03-02T10:00:00Z", 50.0)])
    sessions = [session(each, "1", "Email", 1.0) for each in ("7", "8", "shop-1")]
    shop.load("tap_ihc", "attributions", *sessions)
    shop.build("+fct_credits")
    assert shop.failed == {}
    columns = ("conversion_key", "model")
    credited = shop.rows("fct_credits", columns, "model IN ('ihc', 'linear')")
    own = "ihc:purchases:shop-1"
    assert credited == [("attribution_io:8", "ihc"), (own, "ihc"), (own, "linear")]
