"""The two endpoints that write, and the ledger of their effects."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest
import requests

from attribution_elt.sandbox import Fault, Sandbox

TODAY = date(2026, 3, 31)
CHANNEL = 800_000_002  # pending


def put(sandbox: Sandbox, **body: Any) -> requests.Response:
    vendor = sandbox.adtraction
    return requests.put(
        f"{vendor.url}/client/channels/",
        json=body,
        headers={"X-Token": vendor.client_token},
        timeout=10,
    )


def opt_out(sandbox: Sandbox, *addresses: str, site: int = 0) -> requests.Response:
    vendor = sandbox.ignite
    given = addresses[0] if len(addresses) == 1 else json.dumps(addresses)
    return requests.post(
        f"{vendor.opt_out_url}/opt_outs/new",
        params={"token": vendor.websites[site].token, "emails": given},
        timeout=10,
    )


def test_updates_are_in_the_ledger_with_both_states(sandbox: Sandbox) -> None:
    put(sandbox, channelId=CHANNEL, approvalStatus=0, rejectReason=3)
    sandbox.advance()
    put(sandbox, channelId=CHANNEL, approvalStatus=1)
    effects = [(each.day, each.key, each.before, each.after) for each in sandbox.adtraction.ledger]
    assert effects == [
        (TODAY, str(CHANNEL), [2, None], [0, 3]),
        (TODAY + timedelta(1), str(CHANNEL), [0, 3], [1, None]),
    ]


@pytest.mark.parametrize(
    "body",
    [
        {"channelId": CHANNEL, "approvalStatus": 2},
        {"channelId": CHANNEL, "approvalStatus": 0},
        {"channelId": CHANNEL, "approvalStatus": "1"},
        {"channelId": CHANNEL, "approvalStatus": True},
        {"channelId": 4711, "approvalStatus": 1},
    ],
)
def test_refused_updates_are_not_in_the_ledger(sandbox: Sandbox, body: dict[str, Any]) -> None:
    assert put(sandbox, **body).status_code in {400, 404}
    assert sandbox.adtraction.ledger == []


def test_updates_have_a_separate_quota(sandbox: Sandbox) -> None:
    answers = [put(sandbox, channelId=CHANNEL, approvalStatus=1) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert answers[0].headers["X-RateLimit-Limit"] == "10"
    assert len(sandbox.adtraction.ledger) == 10


def test_updates_may_come_without_headers_of_the_quota(sandbox: Sandbox) -> None:
    """As in the document's sample, which shows none."""
    sandbox.adtraction.quota.unannounced = {"channel_update"}
    assert "X-RateLimit-Limit" not in put(sandbox, channelId=CHANNEL, approvalStatus=1).headers


@pytest.mark.parametrize("kind", ["reset", "close", "status", "html", "truncate", "invalid_json"])
def test_a_body_is_truncated_after_the_effect(sandbox: Sandbox, kind: Any) -> None:
    sandbox.adtraction.faults.add(Fault(kind))
    try:
        answer = put(sandbox, channelId=CHANNEL, approvalStatus=1)
    except requests.RequestException:
        pass
    else:
        assert answer.text != '{"success":true}'
    assert len(sandbox.adtraction.ledger) == (kind in {"truncate", "invalid_json"})


def test_opt_outs_are_in_the_ledger(sandbox: Sandbox) -> None:
    assert opt_out(sandbox, "a@example.com").json() == {}
    assert opt_out(sandbox, "a@example.com", "b@example.com", site=1).json() == {}
    assert opt_out(sandbox, "a@example.com").json() == {}
    keys = [(each.key, each.before) for each in sandbox.ignite.ledger]
    assert keys == [
        ("website_1 a@example.com", None),
        ("website_2 a@example.com", None),
        ("website_2 b@example.com", None),
        ("website_1 a@example.com", "opted out"),
    ]


def test_the_endpoint_for_opt_outs_is_not_below_api(sandbox: Sandbox) -> None:
    assert sandbox.ignite.opt_out_url == f"{sandbox.url}/ignite"
    assert requests.post(f"{sandbox.ignite.url}/opt_outs/new", timeout=10).status_code == 404


def test_a_request_with_a_refused_address_changes_nothing(sandbox: Sandbox) -> None:
    sandbox.ignite.refused_emails = {"bad@example.com"}
    assert opt_out(sandbox, "a@example.com", "bad@example.com").status_code == 400
    assert sandbox.ignite.ledger == []


def test_long_urls_are_refused(sandbox: Sandbox) -> None:
    sandbox.ignite.longest_url = 200
    assert opt_out(sandbox, "a@example.com").status_code == 200
    assert opt_out(sandbox, *["a@example.com"] * 20).status_code == 414
