"""The client's behaviour with responses that no sandbox sends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import requests
from requests_mock import Mocker
from tap_adtraction.client import AdtractionClient
from tap_attribution_io.client import AttributionClient
from tap_ecdp.client import EcdpClient
from tap_ihc.client import IhcClient

from attribution_elt.core.events import FIELD
from attribution_elt.kit.errors import UnitError, UnreachableError
from attribution_elt.kit.http import client as http
from attribution_elt.kit.http.auth import HeaderAuth
from attribution_elt.kit.http.client import Client
from attribution_elt.kit.http.headers import Head
from attribution_elt.kit.http.request import Request

CONFIG = {
    "api_url": "https://api.example.com/v1/",
    "user_agent": "test",
    "request_timeout": 1,
    "max_retries": 2,
    "max_concurrent_requests": 1,
}
SECRETS = {
    "token": "s3cr3t", "auth_location": "header", "api_key": "s3cr3t",
    "public_key": "project", "secret": "s3cr3t",
}  # fmt: skip
ASKED = Request("/orders", "the orders", params={"page": 1, "none": None})


class Shop(Client):
    vendor = "Shop"
    credential = "token"

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config, auth=HeaderAuth({"X-Token": "s3cr3t"}))


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "FIRST_WAIT", 0.0)


def test_paths_are_joined_and_parameters_without_a_value_left_out(requests_mock: Mocker) -> None:
    requests_mock.get("https://api.example.com/v1/orders", text="[1]")
    assert list(Shop(CONFIG).fetch(ASKED)) == [1]
    assert requests_mock.last_request is not None
    assert requests_mock.last_request.qs == {"page": ["1"]}


@pytest.mark.parametrize(("our_clock", "ahead"), [(0, 0), (0.9, 0), (5, -4), (-5, 4.5)])
def test_a_date_bounds_the_difference_of_two_clocks(our_clock: float, ahead: float) -> None:
    head = Head({"Date": "Thu, 01 Jan 1970 00:16:40 GMT"}, 1000 + our_clock, 1000.5 + our_clock)
    assert head.ahead == pytest.approx(ahead)


def test_a_quota_without_headers_is_unknown() -> None:
    assert Head({}, 0, 0).remaining is None
    assert Head({"X-RateLimit-Remaining": "-1"}, 0, 0).remaining == 0
    assert Head({"X-RateLimit-Remaining": "7"}, 0, 0).remaining == 7


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed_with_the_credentials(
    requests_mock: Mocker, status: int
) -> None:
    elsewhere = {"Location": "https://elsewhere.example.com/"}
    requests_mock.get("https://api.example.com/v1/orders", status_code=status, headers=elsewhere)
    requests_mock.get("https://elsewhere.example.com/", text="[]")
    with pytest.raises(UnitError, match=f"Shop, the orders: returned {status}"):
        Shop(CONFIG).fetch(ASKED)
    assert requests_mock.call_count == 1


@pytest.mark.parametrize(
    "failure",
    [
        requests.ReadTimeout("https://api.example.com/v1/orders?token=s3cr3t"),
        requests.ConnectionError("HTTPSConnectionPool(url: /v1/orders?token=s3cr3t)"),
        requests.exceptions.SSLError("https://api.example.com/v1/orders?token=s3cr3t"),
        requests.exceptions.ChunkedEncodingError("token=s3cr3t"),
        requests.exceptions.ContentDecodingError("token=s3cr3t"),
    ],
)
def test_connection_failures_are_retried_and_logged_without_their_texts(
    requests_mock: Mocker, failure: Exception
) -> None:
    requests_mock.get("https://api.example.com/v1/orders", exc=failure)
    with pytest.raises(UnitError) as caught:
        Shop(CONFIG).fetch(ASKED)
    assert "s3cr3t" not in str(caught.value)
    assert str(caught.value).startswith("Shop, the orders: ")
    assert caught.value.__cause__ is None
    assert requests_mock.call_count == 2


def test_a_retry_is_an_event_with_its_reason(
    requests_mock: Mocker, caplog: pytest.LogCaptureFixture
) -> None:
    requests_mock.get(
        "https://api.example.com/v1/orders", [{"status_code": 503}, {"json": {"value": []}}]
    )
    Shop(CONFIG).fetch(ASKED)
    (retry,) = [each.__dict__ for each in caplog.records if FIELD in each.__dict__]
    assert (retry[FIELD], retry["reason"]) == ("retry", "returned 503")


def test_a_failed_connection_ends_the_run_instead_of_failing_one_unit() -> None:
    config: dict[str, Any] = {**CONFIG, "api_url": "http://127.0.0.1:9"}
    with pytest.raises(UnreachableError, match="connection refused"):
        Shop(config).fetch(ASKED)


def test_the_vendor_s_message_is_one_short_line(requests_mock: Mocker) -> None:
    long = {"message": "no\n\nsuch   page " + "x" * 1000}
    requests_mock.get("https://api.example.com/v1/orders", status_code=404, json=long)
    with pytest.raises(UnitError, match="returned 404: no such page xxx") as caught:
        Shop(CONFIG).fetch(ASKED)
    assert len(str(caught.value)) < 300
    assert caught.value.status == 404


def test_a_refused_account_sends_no_more_requests(requests_mock: Mocker) -> None:
    requests_mock.get("https://api.example.com/v1/orders", status_code=401)
    client = Shop(CONFIG)
    for _ in range(3):
        with pytest.raises(UnitError, match="returned 401: check the setting token"):
            client.fetch(ASKED)
    assert requests_mock.call_count == 1


@pytest.mark.parametrize(
    ("client", "more", "document"),
    [
        (AdtractionClient, {"credential": "token"}, {"data": [], "count": 0, "pageSize": 9}),
        (AttributionClient, {}, {"customer": {"client_id": "7", "events": []}}),
        (EcdpClient, {}, {"data": []}),
        (IhcClient, {}, {"value": [], "partialFailureErrors": [], "statusCode": 200}),
    ],
)
def test_unknown_members_next_to_the_rows_are_logged_once(
    requests_mock: Mocker,
    caplog: pytest.LogCaptureFixture,
    client: type[Client],
    more: dict[str, Any],
    document: dict[str, Any],
) -> None:
    asking = client({**CONFIG, **SECRETS}, **more)
    requests_mock.get("https://api.example.com/v1/orders", json=document)
    asking.fetch(ASKED)
    assert not caplog.messages
    requests_mock.get("https://api.example.com/v1/orders", json={**document, "unheard": 1})
    asking.fetch(ASKED)
    asking.fetch(ASKED)
    assert caplog.messages == [
        f"{client.vendor}: property 'unheard' next to the rows is not in a stream"
    ]
