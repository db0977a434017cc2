from __future__ import annotations

import json
import logging
from decimal import Decimal
from typing import Any

import pytest

from attribution_elt.sandbox import Fault, Sandbox
from tests.taps.tap_ecdp.helpers import (
    LINES,
    ORDERS,
    bookmarks_after,
    catalog,
    emitted_rows,
    expected_orders,
    run_here,
    settings,
)

DOCUMENTED = {"start_date": "2025-03-01", "end_date": "2025-03-31"}


def answer(sandbox: Sandbox, *orders: Any) -> None:
    """Make the vendor return these orders once."""
    body = json.dumps({"data": orders})
    sandbox.ecdp.faults.add(Fault("status", status=200, body=body))


def one_day(sandbox: Sandbox, **more: Any) -> dict[str, Any]:
    return settings(sandbox, start_date="2026-03-30", end_date="2026-03-31", **more)


def test_an_unknown_member_of_the_response_is_logged_once(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    body = json.dumps({"data": [], "currencies": ["EUR"]})
    sandbox.ecdp.faults.add(Fault("status", status=200, body=body, times=2))
    run_here(settings(sandbox, **DOCUMENTED, window_days=10))
    assert [text for text in caplog.messages if "currencies" in text] == [
        "ECDP: property 'currencies' next to the rows is not in a stream"
    ]


@pytest.mark.parametrize(
    ("setting", "expected"), [({}, "SEK"), ({"reporting_currency": "EUR"}, "EUR")]
)
def test_a_currency_that_the_vendor_sends_is_kept_unless_a_setting_names_one(
    sandbox: Sandbox, setting: dict[str, str], expected: str
) -> None:
    order = {"orderId": "1", "websiteId": 1, "reportingCurrency": "SEK"}
    answer(sandbox, order)
    output = run_here(one_day(sandbox, **setting))
    assert {
        row["reporting_currency"] for row in output.records(ORDERS) if row["order_id"] == "1"
    } == {expected}


def test_the_samples_of_the_document(sandbox: Sandbox) -> None:
    output = run_here(settings(sandbox, **DOCUMENTED, reporting_currency="EUR"))
    first, second, third = output.records(ORDERS)
    assert first == {
        "website_id": 21,
        "order_id": "100042",
        "order_date_time": "2025-03-03T11:24:15Z",
        "channel": "Email",
        "message_type": "Newsletter",
        "message_id": 12045,
        "customer_id": 981245,
        "customer_email": "jane@example.com",
        "customer_phone": None,
        "customer_crm_id": "778",
        "order_value_converted": Decimal("249.50"),
        "reporting_currency": "EUR",
        "original_total_value": Decimal("249.50"),
        "original_currency": "USD",
        "products_count": 3,
        "order_attributes": None,
        "_extra": None,
    }
    assert second["order_id"] == "100057"
    assert third["customer_email"] is None
    assert third["order_attributes"] == [{"name": "coupon", "value": "SPRING10"}]
    tote, bottle = output.records(LINES)
    assert tote == {
        "website_id": 21,
        "order_id": "100042",
        "line_number": 1,
        "order_date_time": "2025-03-15T09:41:06Z",
        "id": "SKU-101",
        "name": "Canvas Tote",
        "price": Decimal("39.90"),
        "quantity": 1,
        "returned": None,
        "category": "Bags",
        "product_attributes": [{"name": "color", "value": "natural"}],
        "recommendation_attribution": None,
        "_extra": None,
    }
    assert (bottle["line_number"], bottle["returned"]) == (2, 1)
    assert bottle["recommendation_attribution"] == {
        "scope": "Onsite",
        "type": "Bestsellers",
        "id": 12,
        "channel": "Banner",
    }


def test_money_keeps_its_digits(sandbox: Sandbox) -> None:
    answer(sandbox, {"orderId": "1", "websiteId": 1, "originalTotalValue": 1})
    body = '{"data":[{"orderId":"1","websiteId":1,"originalTotalValue":0.10000000000000000555}]}'
    sandbox.ecdp.faults.clear()
    sandbox.ecdp.faults.add(Fault("status", status=200, body=body))
    output = run_here(one_day(sandbox))
    assert b'"original_total_value":0.10000000000000000555' in output.stdout
    assert b'"order_value_converted":249.50' in run_here(settings(sandbox, **DOCUMENTED)).stdout


def test_ids_keep_their_digits(sandbox: Sandbox) -> None:
    big = 2**64 + 1
    answer(sandbox, {"orderId": "00012345678901234567890", "websiteId": big, "messageId": big})
    answer(sandbox, {"orderId": 12345678901234567890123, "websiteId": 1, "customer": {"id": big}})
    first = run_here(one_day(sandbox)).records(ORDERS)[0]
    assert first["order_id"] == "00012345678901234567890"
    assert (first["website_id"], first["message_id"]) == (big, big)
    second = run_here(one_day(sandbox)).records(ORDERS)[0]
    assert second["order_id"] == "12345678901234567890123"
    assert second["customer_id"] == big


@pytest.mark.parametrize(
    ("sent", "emitted"),
    [
        ("2026-03-30T11:24:15Z", "2026-03-30T11:24:15Z"),
        ("2026-03-30T11:24:15.250+02:00", "2026-03-30T09:24:15.250Z"),
        ("2026-03-30T23:24:15-0500", "2026-03-31T04:24:15Z"),
    ],
)
def test_instants_are_in_utc(sandbox: Sandbox, sent: str, emitted: str) -> None:
    line = {"id": "SKU"}
    answer(sandbox, {"orderId": "1", "websiteId": 1, "orderDateTime": sent, "orderDetails": [line]})
    output = run_here(one_day(sandbox))
    assert output.records(ORDERS)[0]["order_date_time"] == emitted
    assert output.records(LINES)[0]["order_date_time"] == emitted


def test_an_unknown_property_goes_into_extra_with_one_warning(
    small: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    small.ecdp.extra = {"loyaltyTier": {"level": "gold"}}
    output = run_here(settings(small))
    extras = [row["_extra"] for row in output.records(ORDERS)]
    assert extras == [{"loyalty_tier": {"level": "gold"}}] * len(extras)
    warnings = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert [each.getMessage() for each in warnings if "loyalty_tier" in each.getMessage()]
    assert len(warnings) == 1
    assert warnings[0].name.endswith(ORDERS)


def test_an_unknown_property_of_a_customer_or_a_line_is_kept_too(sandbox: Sandbox) -> None:
    line = {"id": "SKU", "discountRate": 0.25}
    customer = {"id": 1, "nickName": "jj"}
    answer(sandbox, {"orderId": "1", "websiteId": 1, "customer": customer, "orderDetails": [line]})
    output = run_here(one_day(sandbox))
    assert output.records(ORDERS)[0]["_extra"] == {"customer_nick_name": "jj"}
    extra = output.records(LINES)[0]["_extra"]
    assert extra == {"discount_rate": Decimal("0.25")}


def test_a_value_that_does_not_fit_is_kept_and_its_row_is_written(sandbox: Sandbox) -> None:
    answer(
        sandbox,
        {"orderId": "1", "websiteId": 1, "orderDateTime": "2021-11-31", "productsCount": "three"},
    )
    output = run_here(one_day(sandbox))
    (record,) = output.records(ORDERS)
    assert (record["order_date_time"], record["products_count"]) == (None, None)
    assert record["_extra"] == {"order_date_time": "2021-11-31", "products_count": "three"}
    assert output.code == 0


def test_rows_without_a_key_get_stand_ins_and_the_bookmark_moves(small: Sandbox) -> None:
    answer(small, {"orderId": "1", "websiteId": 1}, {"orderId": None, "websiteId": 1}, {})
    output = run_here(settings(small, start_date="2026-03-25", window_days=7))
    assert output.code == 0
    keys = {(row["website_id"], row["order_id"][:7]) for row in output.records(ORDERS)}
    assert keys == {(1, "1"), (1, "sha256:"), (0, "sha256:")}
    assert None not in bookmarks_after(output)


@pytest.mark.parametrize("entry", ["text", 7, None, ["list"]])
def test_an_entry_that_is_not_an_order_is_kept_in_extra(sandbox: Sandbox, entry: Any) -> None:
    answer(sandbox, entry, {"websiteId": 1, "orderId": "1"})
    output = run_here(one_day(sandbox))
    odd, order = sorted(output.records(ORDERS), key=lambda row: row["website_id"])
    assert order["order_id"] == "1"
    assert odd["order_id"].startswith("sha256:")
    assert odd["_extra"] == (None if entry is None else {"value": entry})
    assert output.code == 0


@pytest.mark.parametrize(
    ("details", "extra"), [("text", {"value": "text"}), ({"sku": "a"}, {"sku": "a"}), ([], None)]
)
def test_details_that_are_not_a_list_are_one_line(
    sandbox: Sandbox, details: Any, extra: Any
) -> None:
    answer(sandbox, {"websiteId": 1, "orderId": "1", "orderDetails": details})
    lines = run_here(one_day(sandbox)).records(LINES)
    assert [row["_extra"] for row in lines] == ([extra] if extra else [])


def test_null_and_missing_properties_are_null(sandbox: Sandbox) -> None:
    keys = {"orderId": "1", "websiteId": 1}
    answer(
        sandbox,
        {**keys, "customer": None, "orderDetails": None, "orderAttributes": None},
        {**keys, "orderId": "2", "customer": {}, "orderDetails": []},
    )
    output = run_here(one_day(sandbox))
    assert [row["customer_id"] for row in output.records(ORDERS)] == [None, None]
    assert output.records(LINES) == []


def test_orders_alone_are_read_without_their_details(small: Sandbox) -> None:
    config = settings(small)
    output = run_here(config, catalog=catalog(config, ORDERS))
    assert emitted_rows(output.rows(ORDERS)) == expected_orders(small.ecdp.truth())
    assert output.records(LINES) == []
    assert not any("includeDetails" in request.query for request in small.ecdp.requests)


def test_lines_alone_are_read_with_their_details(small: Sandbox) -> None:
    config = settings(small)
    output = run_here(config, catalog=catalog(config, LINES))
    assert output.records(ORDERS) == []
    assert output.records(LINES)
    assert {request.query["includeDetails"][0] for request in small.ecdp.requests} == {"true"}


def test_the_default_user_agent_is_the_distribution_and_its_version(small: Sandbox) -> None:
    run_here(settings(small))
    (agent,) = {request.headers["user-agent"] for request in small.ecdp.requests}
    assert agent.startswith("attribution-elt/")
