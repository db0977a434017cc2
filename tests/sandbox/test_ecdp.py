from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import Any

import pytest
import requests

from attribution_elt.sandbox import Fault, Sandbox
from attribution_elt.sandbox.ecdp import longer_than
from attribution_elt.sandbox.ecdp.orders import is_quiet
from attribution_elt.sandbox.exact_json import decode

WEEK = {"startDate": "2026-03-01", "endDate": "2026-03-07"}
ALL = {"startDate": "2026-01-30", "endDate": "2026-12-31", "includeDetails": "true"}


def get(sandbox: Sandbox, query: Any, key: str | None = None) -> requests.Response:
    url = f"{sandbox.ecdp.url}/reports/attribution/orders"
    return requests.get(
        url, params=query, headers={"x-api-key": key or sandbox.ecdp.api_key}, timeout=10
    )


def orders(sandbox: Sandbox, **query: str) -> list[dict[str, Any]]:
    answer = get(sandbox, {**ALL, **query})
    assert answer.status_code == 200
    rows: list[dict[str, Any]] = decode(answer.content)["data"]
    return rows


def by_key(rows: list[dict[str, Any]]) -> dict[tuple[int, str], dict[str, Any]]:
    return {(row["websiteId"], row["orderId"]): row for row in rows}


def test_documented_summary(sandbox: Sandbox) -> None:
    answer = get(
        sandbox,
        {"startDate": "2025-03-01", "endDate": "2025-03-07", "websiteId": 21, "channel": "Email"},
    )
    assert answer.status_code == 200
    assert answer.text == (
        '{"data":[{"orderId":"100042","orderDateTime":"2025-03-03T11:24:15Z","websiteId":21,'
        '"channel":"Email","messageType":"Newsletter","messageId":12045,"customer":{"id":981245,'
        '"email":"jane@example.com","phone":"","crmId":"778"},"orderValueConverted":249.50,'
        '"originalTotalValue":249.50,"originalCurrency":"USD","productsCount":3},'
        '{"orderId":"100057","orderDateTime":"2025-03-05T19:02:41Z","websiteId":21,'
        '"channel":"Email","messageType":"Scenario","messageId":11880,"customer":{"id":771100,'
        '"email":"bob@example.com","phone":"","crmId":"101"},"orderValueConverted":89.99,'
        '"originalTotalValue":89.99,"originalCurrency":"USD","productsCount":1}]}'
    )


def test_documented_details(sandbox: Sandbox) -> None:
    answer = get(
        sandbox,
        {
            "startDate": "2025-03-15",
            "endDate": "2025-03-15",
            "channel": "WebPush",
            "messageType": "Newsletter",
            "messageId": 9021,
            "websiteId": 21,
            "includeDetails": "true",
        },
    )
    assert answer.status_code == 200
    assert answer.text == (
        '{"data":[{"orderId":"100042","orderDateTime":"2025-03-15T09:41:06Z","websiteId":21,'
        '"channel":"WebPush","messageType":"Newsletter","messageId":9021,"customer":{"id":332100,'
        '"email":"","phone":"","crmId":"551"},"orderValueConverted":142.70,'
        '"originalTotalValue":142.70,"originalCurrency":"USD","productsCount":2,'
        '"orderAttributes":[{"name":"coupon","value":"SPRING10"}],"orderDetails":['
        '{"id":"SKU-101","name":"Canvas Tote","price":39.90,"quantity":1,"category":"Bags",'
        '"productAttributes":[{"name":"color","value":"natural"}]},'
        '{"id":"SKU-225","name":"Water Bottle","price":102.80,"quantity":1,"returned":1,'
        '"category":"Accessories","recommendationAttribution":{"scope":"Onsite",'
        '"type":"Bestsellers","id":12,"channel":"Banner"}}]}]}'
    )


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ({"startDate": "2026-03-01"}, "endDate is required"),
        ({"endDate": "2026-03-01"}, "startDate is required"),
        (WEEK | {"startDate": "2026-02-30"}, "startDate is not a valid date"),
        (WEEK | {"startDate": "20260301"}, "startDate must be of the format YYYY-MM-DD"),
        (WEEK | {"endDate": "2026-02-28"}, "startDate must be earlier than or equal to endDate"),
        (WEEK | {"websiteId": ""}, "websiteId is empty"),
        (WEEK | {"websiteId": ["22", "35"]}, "websiteId is given more than once"),
        (WEEK | {"websiteId": "0"}, "websiteId must be a positive integer"),
        (WEEK | {"websiteId": "-1"}, "websiteId must be a positive integer"),
        (WEEK | {"channel": "SMS"}, "channel must be one of Email, Sms, WebPush"),
        (WEEK | {"channel": "PopUp"}, "channel must be one of Email, Sms, WebPush"),
        (
            WEEK | {"messageType": "newsletter"},
            "messageType must be one of Newsletter, Scenario, Confirmation",
        ),
        (
            WEEK | {"messageType": "Confirmation"},
            "messageType Confirmation is valid only when channel is Email",
        ),
        (
            WEEK | {"messageType": "Confirmation", "channel": "Sms"},
            "messageType Confirmation is valid only when channel is Email",
        ),
        (WEEK | {"messageId": "9021"}, "channel is required when messageId is provided"),
        (WEEK | {"messageId": "x", "channel": "Email"}, "messageId must be a positive integer"),
        (WEEK | {"includeDetails": "True"}, "includeDetails must be one of true, false"),
        (WEEK | {"includeDetails": ""}, "includeDetails is empty"),
    ],
)
def test_bad_request(sandbox: Sandbox, query: dict[str, Any], complaint: str) -> None:
    answer = get(sandbox, query)
    assert (answer.status_code, answer.json()["message"]) == (400, complaint)


@pytest.mark.parametrize(("rule", "status"), [("inclusive", 200), ("strict", 400)])
def test_one_day_under_both_date_rules(sandbox: Sandbox, rule: Any, status: int) -> None:
    sandbox.ecdp.date_rule = rule
    assert get(sandbox, {"startDate": "2026-03-02", "endDate": "2026-03-02"}).status_code == status


def test_keys(sandbox: Sandbox) -> None:
    assert get(sandbox, WEEK, key="wrong").status_code == 401


def test_nothing_found(sandbox: Sandbox) -> None:
    quiet = next(day for n in range(13) if is_quiet(day := date(2026, 3, 1) + timedelta(n)))
    for query in (
        {"startDate": str(quiet), "endDate": str(quiet)},
        {"startDate": "2031-01-01", "endDate": "2031-01-02"},
        WEEK | {"websiteId": "4711"},
    ):
        answer = get(sandbox, query)
        assert (answer.status_code, answer.content) == (204, b"")


def test_filters(sandbox: Sandbox) -> None:
    truth = sandbox.ecdp.truth()
    assert orders(sandbox) == truth
    assert orders(sandbox, websiteId="22") == [row for row in truth if row["websiteId"] == 22]
    assert orders(sandbox, channel="Sms") == [row for row in truth if row["channel"] == "SMS"]
    assert orders(sandbox, messageType="Scenario") == [
        row for row in truth if row["messageType"] == "Scenario"
    ]
    message_id = str(next(row["messageId"] for row in truth if row["channel"] == "Email"))
    assert {row["messageId"] for row in orders(sandbox, channel="Email", messageId=message_id)} == {
        int(message_id)
    }


def test_details_only_on_request(sandbox: Sandbox) -> None:
    assert not any("orderDetails" in row for row in orders(sandbox, includeDetails="false"))


def test_generated_variety(sandbox: Sandbox) -> None:
    rows = sandbox.ecdp.truth()
    lines = [line for row in rows for line in row["orderDetails"]]
    keys = Counter((row["websiteId"], row["orderId"]) for row in rows)
    assert set(keys.values()) == {1}
    assert len({order_id for _, order_id in keys}) < len(rows), "websites number alike"
    assert {row["channel"] for row in rows} == {
        "Email",
        "SMS",
        "PopUp",
        "WebPush",
        "Banner",
        "Mobile",
    }
    assert {row["channel"] for row in rows if row["messageType"] == "Confirmation"} == {"Email"}
    assert any(row["customer"]["email"] == "" for row in rows)
    assert any("orderAttributes" in row for row in rows)
    assert any("orderAttributes" not in row for row in rows)
    assert any(row["orderDateTime"].endswith("+02:00") for row in rows)
    assert any("." in row["orderDateTime"] for row in rows)
    assert any(row["orderValueConverted"].as_tuple().exponent < -6 for row in rows)
    assert any(not line["name"].isascii() for line in lines)
    for key in ("returned", "category", "productAttributes", "recommendationAttribution"):
        assert 0 < sum(key in line for line in lines) < len(lines)


def test_same_seed_and_day_same_bytes() -> None:
    def answer(seed: int) -> bytes:
        with Sandbox(seed=seed, today=date(2026, 3, 31)) as sandbox:
            return get(sandbox, ALL).content

    assert answer(7) == answer(7)
    assert answer(7) != answer(8)


def test_data_changes_as_days_pass(sandbox: Sandbox) -> None:
    before = by_key(sandbox.ecdp.truth())
    sandbox.advance(days=5)
    after = by_key(sandbox.ecdp.truth())
    assert before.keys() < after.keys()
    changed = [(old, after[key]) for key, old in before.items() if old != after[key]]
    assert any(old["messageId"] != new["messageId"] for old, new in changed)
    assert any(old["orderDateTime"] < new["orderDateTime"] for old, new in changed)
    assert any(old["orderDetails"] != new["orderDetails"] for old, new in changed)
    assert orders(sandbox) == list(after.values())


def test_days_simulated_singly_or_together_give_equal_data(sandbox: Sandbox) -> None:
    with Sandbox(seed=sandbox.seed, today=sandbox.clock.today) as other:
        for _ in range(5):
            other.ecdp.truth()
            other.advance()
        sandbox.advance(days=5)
        assert other.ecdp.truth() == sandbox.ecdp.truth()


def test_orders_may_vanish(sandbox: Sandbox) -> None:
    sandbox.ecdp.withdrawals.share = 0.01
    before = by_key(sandbox.ecdp.truth())
    sandbox.advance(days=5)
    assert before.keys() - by_key(sandbox.ecdp.truth()).keys()


def test_settings(sandbox: Sandbox) -> None:
    sandbox.ecdp.orders_per_day = 2
    sandbox.ecdp.history_days = 5
    sandbox.ecdp.chunked = True
    sandbox.ecdp.extra = {"loyaltyTier": "gold"}
    answer = get(sandbox, ALL)
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert 5 <= len(answer.json()["data"]) <= 20
    assert answer.json()["data"][0]["loyaltyTier"] == "gold"


def test_wide_windows_can_fail(sandbox: Sandbox) -> None:
    sandbox.ecdp.faults.add(Fault("status", status=500, times=None, match=longer_than(6)))
    assert get(sandbox, WEEK).status_code == 500
    assert get(sandbox, WEEK | {"endDate": "2026-03-06"}).status_code == 200
    assert get(sandbox, {"startDate": "nonsense"}).status_code == 400
