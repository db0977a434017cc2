"""What vendors changed about past days."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from importlib.resources import files

from tests.targets.target_warehouse.clock import loading_at
from tests.targets.target_warehouse.warehouses import Warehouse, record
from tests.transform.shop import Row, Shop, order, output, purchase, session


def test_restatements_are_changes_of_days_that_were_loaded(warehouse: Warehouse) -> None:
    shop = Shop(warehouse)
    for channel, amount in (("Email", 5.0), ("SMS", 5.0), ("SMS", 4.0)):
        row = order("1", "2026-03-02T10:00:00Z", amount, channel)
        shop.load("tap_ecdp", "attributed_orders", row, history=["attributed_orders"])
    days = {"Email": ("03", "05"), "SMS": ("05", "06")}
    for channel, (start, end) in days.items():
        shop.execute(
            f"UPDATE {{}} SET _sdc_valid_from = '2026-03-{start} 05:00:00+00:00', "
            f"_sdc_valid_to = '2026-03-{end} 05:00:00+00:00' WHERE channel = '{channel}'",
            "attributed_orders__history",
            schema="tap_ecdp",
        )
    dated = "UPDATE {} SET _sdc_batched_at = '2026-03-06 05:00:00+00:00'"
    shop.execute(dated, "attributed_orders", schema="tap_ecdp")
    shop.build("+fct_restatements")
    assert shop.failed == {}
    columns = ("as_of", "channel", "before", "after", "delta")
    found = [(str(row[0]), *row[1:]) for row in shop.rows("fct_restatements", columns)]
    assert found == [
        ("2026-03-05", "Email", 5.0, 0.0, -5.0),
        ("2026-03-05", "SMS", 0.0, 5.0, 5.0),
        ("2026-03-06", "SMS", 5.0, 4.0, -1.0),
    ]


def test_restatements_follow_the_amounts_of_events(warehouse: Warehouse) -> None:
    """One event is refunded by half, another one is withdrawn."""
    shop = Shop(warehouse)
    clock = datetime(2026, 3, 3, 5, tzinfo=UTC)
    events = {1: 100.0, 2: 40.0}
    for changes in ({}, {1: 50.0}, {2: None}):
        events = {key: amount for key, amount in (events | changes).items() if amount}
        with loading_at(clock):
            load_all(
                shop,
                events=[purchase(key, "a", "2026-03-02T10:00:00Z", events[key]) for key in events],
                event_attributions=[output(key, key, None, 100.0) for key in events],
            )
        clock += timedelta(days=1)
    shop.build("+fct_restatements", attribution_io_currency="EUR")
    columns = ("as_of", "currency", "before", "after")
    found = [(str(row[0]), *row[1:]) for row in shop.rows("fct_restatements", columns)]
    assert found == [("2026-03-04", "EUR", 140, 90), ("2026-03-05", "EUR", 90, 50)]


def load_all(shop: Shop, **rows: list[Row]) -> None:
    """Load all rows that Attribution.io has, so that the others are removed."""
    for stream, of_stream in rows.items():
        message = {
            "type": "SCHEMA",
            "stream": stream,
            "key_properties": ["id"],
            "schema": {
                **json.loads((files("schemas.attribution_io") / f"{stream}.json").read_text()),
                "x-claims": [],
            },
        }
        claim = {"stream": stream, "where": {}, "rows": len(of_stream)}
        shop.warehouse.load(
            message,
            *(record(stream, **row) for row in of_stream),
            {"type": "STATE", "value": 1, "complete": True, "delivered": [claim]},
            add_record_metadata=True,
            default_target_schema="tap_attribution_io",
            history=["*"],
        )


def test_restatements_name_the_conversion_types_of_ihc(small: Shop) -> None:
    small.load("tap_attribution_io", "events", purchase(1, "a", "2026-03-02T10:00:00Z", 100.0))
    old = session("1", "x", "Email", 0.5, conv_type_id="old")
    for ihc in (0.5, 0.75):
        rows = session("1", "x", "Email", ihc), old
        small.load("tap_ihc", "attributions", *rows, history=["attributions"])
        if ihc == 0.5:  # date the first run before the second
            dated = "UPDATE {} SET _sdc_batched_at = '2026-03-03 05:00:00+00:00'"
            small.execute(dated, "attributions", schema="tap_ihc")
    small.build("+fct_restatements", "+fct_credits")
    columns = ("model", "before", "after")
    assert small.rows("fct_restatements", columns) == [("ihc:purchases", 50.0, 75.0)]
    models = {model for (model,) in small.rows("fct_credits", ("model",), "source = 'ihc'")}
    assert {"ihc:purchases", "ihc:old"} <= models


def test_what_a_day_gains_until_it_is_over_is_not_a_restatement(small: Shop) -> None:
    early = order("1", "2026-03-02T03:00:00Z", 5.0)
    loads = {2: [early], 3: [early, order("2", "2026-03-02T20:00:00Z", 40.0)]}
    loads[4] = [early, order("2", "2026-03-02T20:00:00Z", 30.0)]
    for day, rows in loads.items():
        with loading_at(datetime(2026, 3, day, 5, tzinfo=UTC)):
            small.load("tap_ecdp", "attributed_orders", *rows, history=["attributed_orders"])
    small.build("+fct_restatements")
    found = small.rows("fct_restatements", ("as_of", "before", "after"))
    assert [(str(row[0]), *row[1:]) for row in found] == [("2026-03-04", 45, 35)]
