from __future__ import annotations

from datetime import date, datetime
from importlib.resources import files
from itertools import chain
from typing import Any
from urllib.parse import quote

import pytest
import requests

from attribution_elt.sandbox import Sandbox
from attribution_elt.sandbox.attribution_io.timeline import BEYOND_FLOATS
from attribution_elt.sandbox.exact_json import decode, encode

ARRAYS = {"events", "pageviews", "touchpoints", "identities"}


def get(sandbox: Sandbox, path: str, /, **query: str | None) -> requests.Response:
    vendor = sandbox.attribution_io
    url = f"{vendor.url}/{vendor.public_key}/customers/{path}"
    return requests.get(url, params={"secret": vendor.secret, **query}, timeout=10)


def customer(sandbox: Sandbox, client_id: str, **flags: str) -> Any:
    answer = get(sandbox, quote(client_id, safe=""), **flags)
    assert answer.status_code == 200
    return decode(answer.content)["customer"]


def everything(sandbox: Sandbox, array: str) -> list[dict[str, Any]]:
    return [row for found in sandbox.attribution_io.truth() for row in found[array]]


def test_documented_sample(sandbox: Sandbox) -> None:
    sample = (files("attribution_elt.sandbox.attribution_io") / "documented.json").read_text()
    answer = get(sandbox, "MrSmith", show_all="true")
    assert answer.text == encode(decode(sample))
    for text in (
        '"created_at":"2017-09-10T14:49:02.462-04:00"',
        '"last_seen":"2017-09-11T19:22:00.328Z"',
        '"35_count":1,"35_attrib":[{"medium_id":1066,"source_id":3247,"total_weight":50.0}',
        '"amount":"100.0"',
        '"lifecycleStatus":3,"meta":null',
        '"medium_name":"Referral","source_name":"bechtelar.io","link_name":null,"traffic_type_name"',
        '"source_name":"adnetwork","campaign_name":"myCampaign","traffic_type_name"',
    ):
        assert text in answer.text


def test_responses_are_the_truth(sandbox: Sandbox) -> None:
    ids = sandbox.attribution_io.client_ids
    assert len(set(ids)) == len(ids) == 101
    for client_id in ids:
        found = customer(sandbox, client_id, show_all="true")
        assert found["client_id"] == client_id
        assert found == sandbox.attribution_io.customer(client_id)
    assert all(any(sign in client_id for client_id in ids) for sign in "/+@% ?#ëŁ名")


@pytest.mark.parametrize(
    ("flags", "arrays"),
    [
        ({}, set()),
        ({"show_all": "true"}, ARRAYS),
        ({"show_events": "true"}, {"events"}),
        ({"show_pageviews": "true", "show_touchpoints": "true"}, {"pageviews", "touchpoints"}),
        ({"show_identities": "true", "show_events": "false"}, {"identities"}),
        ({"show_all": "True"}, set()),
        ({"show_all": "1", "show_events": "TRUE", "show_pageviews": ""}, set()),
        ({"show_customers": "true"}, set()),
    ],
)
def test_flags(sandbox: Sandbox, flags: dict[str, str], arrays: set[str]) -> None:
    found = customer(sandbox, "MrSmith", **flags)
    whole = sandbox.attribution_io.customer("MrSmith")
    assert found == {
        name: value for name, value in whole.items() if name in arrays or name not in ARRAYS
    }
    assert found.keys() & ARRAYS == arrays


def test_requested_lists_may_be_empty(sandbox: Sandbox) -> None:
    empty = [
        {array for array in ARRAYS if found[array] == []}
        for found in sandbox.attribution_io.truth()
    ]
    assert set.union(*empty) == ARRAYS
    place = next(n for n, arrays in enumerate(empty) if "events" in arrays)
    client_id = sandbox.attribution_io.client_ids[place]
    assert customer(sandbox, client_id, show_events="true")["events"] == []
    assert "events" not in customer(sandbox, client_id)


def test_client_ids_are_decoded_once(sandbox: Sandbox) -> None:
    def status(path: str) -> int:
        return get(sandbox, path).status_code

    ids = sandbox.attribution_io.client_ids
    slash, percent = ids[3], ids[6]
    assert (slash, percent) == ("crm/3", "once%2Fencoded%6")
    assert status("crm%2F3") == status("crm%2f3") == 200
    assert status("crm/3") == status("crm%252F3") == status("crm%2F3/") == 404
    assert status("once%252Fencoded%256") == 200
    assert status("once%2Fencoded%256") == 404
    assert status("anna%2Bnews.2%40example.com") == status("anna+news.2@example.com") == 200
    assert status("anna%20news.2%40example.com") == 404
    assert status("Zo%C3%AB%204") == 200
    assert status("Zo%C3%AB+4") == status("Zo%EB%204") == 404


@pytest.mark.parametrize(
    "client_id",
    ["mrsmith", "nobody", "crm/0", "crm/03", "customer-3", "customer-1000003", "", "9" * 30],
)
def test_unknown_customers(sandbox: Sandbox, client_id: str) -> None:
    assert get(sandbox, quote(client_id, safe="")).status_code == 404
    with pytest.raises(KeyError):
        sandbox.attribution_io.customer(client_id)


def test_credentials(sandbox: Sandbox) -> None:
    for secret in (None, "", "wrong"):
        assert get(sandbox, "MrSmith", secret=secret).status_code == 401
        assert get(sandbox, "nobody", secret=secret).status_code == 401
    sandbox.attribution_io.disabled = True
    assert get(sandbox, "MrSmith").status_code == 403
    url = f"{sandbox.attribution_io.url}/wrong/customers/MrSmith"
    answer = requests.get(url, params={"secret": sandbox.attribution_io.secret}, timeout=10)
    assert answer.status_code == 401


def test_credentials_are_not_recorded(sandbox: Sandbox) -> None:
    get(sandbox, "crm%2F3", show_all="true")
    (recorded,) = sandbox.attribution_io.requests
    assert recorded.path == "/api/v1/{public_key}/customers/crm/3"
    assert recorded.query == {"secret": ["{secret}"], "show_all": ["true"]}


def test_summaries_add_up(sandbox: Sandbox) -> None:
    keys = set()
    for found in sandbox.attribution_io.truth()[1:]:
        summary = found["summary"]
        keys |= summary.keys()
        assert summary["events_count"] == len(found["events"])
        assert summary["pageviews_count"] == len(found["pageviews"])
        assert summary["touchpoints_count"] == len(found["touchpoints"])
        purchases = [event for event in found["events"] if event["event_type_id"] == 35]
        assert summary.get("35_count", 0) == len(purchases)
        assert summary.get("PurchaseEventType_count", 0) == len(purchases)
        outputs = chain(*(event["attribution_model_outputs"] for event in purchases))
        total = sum(float(entry["total_weight"]) for entry in summary.get("35_attrib", []))
        assert total == pytest.approx(sum(float(output["weight"]) for output in outputs))
    assert {"36_attrib", "41_count", "Sign up_count", "trial_24h_count"} < keys


def test_ids_are_unique(sandbox: Sandbox) -> None:
    events = everything(sandbox, "events")
    outputs = list(chain(*(event["attribution_model_outputs"] for event in events)))
    for rows in (
        events,
        outputs,
        everything(sandbox, "pageviews"),
        everything(sandbox, "touchpoints"),
        sandbox.attribution_io.truth(),
    ):
        ids = [row["id"] for row in rows]
        assert len(set(ids)) == len(ids)
        assert BEYOND_FLOATS <= max(ids) < 2**63
        assert any(float(number) != number for number in ids)


def test_rows_refer_to_each_other(sandbox: Sandbox) -> None:
    for found in sandbox.attribution_io.truth():
        touchpoints = {row["id"]: row for row in found["touchpoints"]}
        for event in found["events"]:
            assert event["client_customer_id"] == found["id"]
            for output in event["attribution_model_outputs"]:
                assert output["event_id"] == event["id"]
                touched = touchpoints[output["touchpoint_id"]]
                passed = datetime.fromisoformat(event["created_at"]) - datetime.fromisoformat(
                    touched["created_at"]
                )
                assert int(passed.total_seconds()) == output["elapsed_seconds"]


def test_variety(sandbox: Sandbox) -> None:
    truth = sandbox.attribution_io.truth()
    events, touchpoints = everything(sandbox, "events"), everything(sandbox, "touchpoints")
    outputs = list(chain(*(event["attribution_model_outputs"] for event in events)))
    weights = [output["weight"] for output in outputs]
    assert any(weight != int(weight) for weight in weights)
    assert {event["amount"] is None for event in events} == {True, False}
    for name in ("retry_count", "transaction_id", "aliases"):
        values = {repr(event.get(name, "absent"))[:4] for event in events}
        assert {"None", "'abs"} < values
    names = {
        (
            output["link_id"] is None,
            output.get("link_name", "absent") is None,
            "campaign_name" in output,
        )
        for output in outputs
    }
    assert len(names) > 4
    assert {row["client_id"] is None for row in touchpoints} == {True, False}
    assert {row["aliases"] is None for row in touchpoints} == {True, False}
    assert {type(found["meta"]) for found in truth} == {dict, type(None)}
    assert {len(found["identities"]) for found in truth} >= {0, 1, 2, 3}
    offsets = {row["created_at"][23:] for row in touchpoints}
    assert offsets == {"-04:00", "-05:00", "+01:00", "+02:00", "+05:30", "Z"}
    moments = [
        [datetime.fromisoformat(event[f"{verb}_at"]) for verb in ("created", "updated")]
        for event in events
    ]
    assert {updated < created for created, updated in moments} == {True, False}


def test_data_changes_as_days_pass(sandbox: Sandbox) -> None:
    vendor = sandbox.attribution_io
    before = {row["id"]: row for row in everything(sandbox, "events")}
    touchpoints = {row["id"]: row for row in everything(sandbox, "touchpoints")}
    sandbox.advance(days=5)
    after = {row["id"]: row for row in everything(sandbox, "events")}
    later = {row["id"]: row for row in everything(sandbox, "touchpoints")}
    assert before.keys() < after.keys()
    assert touchpoints.items() < later.items()
    changed = [(old, after[key]) for key, old in before.items() if old != after[key]]
    assert changed
    for old, new in changed:
        assert old["updated_at"] != new["updated_at"]
        assert {row["id"] for row in old["attribution_model_outputs"]} == {
            row["id"] for row in new["attribution_model_outputs"]
        }
    assert any(
        [row["weight"] for row in old["attribution_model_outputs"]]
        != [row["weight"] for row in new["attribution_model_outputs"]]
        for old, new in changed
    )
    client_id = vendor.client_ids[-1]
    assert customer(sandbox, client_id, show_all="true") == vendor.customer(client_id)


def test_same_seed_and_day_same_data(sandbox: Sandbox) -> None:
    sandbox.attribution_io.truth()
    sandbox.advance(days=5)
    truth = sandbox.attribution_io.truth()

    def fresh(seed: int) -> Any:
        other = Sandbox(seed=seed, today=date(2026, 3, 31))
        other.advance(days=5)
        return other.attribution_io.truth()

    assert fresh(7) == truth
    assert fresh(8) != truth


def test_settings(sandbox: Sandbox) -> None:
    vendor = sandbox.attribution_io
    vendor.customer_count = 10_000
    vendor.pageviews_per_visit = 500
    vendor.extra = {"segment": "gold"}
    vendor.chunked = True
    assert len(set(vendor.client_ids)) == 10_001
    answer = get(sandbox, quote(vendor.client_ids[9_999], safe=""), show_pageviews="true")
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert answer.json()["customer"]["segment"] == "gold"
    visits = answer.json()["customer"]["summary"]["touchpoints_count"]
    assert len(answer.json()["customer"]["pageviews"]) > 100 * visits > 0
