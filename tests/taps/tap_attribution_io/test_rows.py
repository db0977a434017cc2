"""Rows of all streams, compared with the vendor's truth."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from attribution_elt.sandbox import Fault, Sandbox
from attribution_elt.sandbox.attribution_io import AttributionIo
from tests.tap_process import Output
from tests.taps.tap_attribution_io.helpers import KEYS, matches_truth, run_here, settings, valued


def one(vendor: AttributionIo, customer: dict[str, Any], **more: Any) -> Output:
    """Return the tap's rows from a single response."""
    body = json.dumps({"customer": customer})
    vendor.faults.add(Fault("status", status=200, body=body))
    return run_here(settings(vendor, customer_ids=["a"], **more))


def test_time_passes_and_the_warehouse_keeps_up(sandbox: Sandbox, vendor: AttributionIo) -> None:
    outputs: list[Output] = []
    state: dict[str, Any] = {}
    for days in (0, 1, 30):
        sandbox.advance(days)
        outputs.append(run_here(settings(vendor), state=state))
        state = outputs[-1].states[-1]
        assert matches_truth(vendor, outputs[-1])
        # only shares in a summary, which are recomputed, may disappear
        assert matches_truth(vendor, *outputs, streams=set(KEYS) - {"customer_attributions"})


def test_the_documented_sample_value_by_value(vendor: AttributionIo) -> None:
    output = run_here(settings(vendor, customer_ids=["MrSmith"]))
    rows = {stream: [valued(row) for row in output.records(stream)] for stream in KEYS}
    assert rows["customers"] == [
        {
            "client_id": "MrSmith",
            "id": 17,
            "is_anonymous": False,
            "created_at": "2017-09-10T18:49:02.462Z",
            "updated_at": "2017-09-10T18:49:02.487Z",
            "meta": {"first_name": "John"},
            "link": "https://attribution.io/customers/17",
            "summary_last_seen": "2017-09-11T19:22:00.328Z",
            "summary_total_amount": Decimal("100.0"),
            "summary_events_count": 1,
            "summary_pageviews_count": 0,
            "summary_touchpoints_count": 3,
        }
    ]
    share = {
        "client_id": "MrSmith",
        "event_type_id": 35,
        "total_weight": Decimal("50.0"),
        "entry_number": 1,
    }
    assert rows["customer_attributions"] == [
        {**share, "medium_id": 1066, "source_id": 3247},
        {**share, "medium_id": 1063, "source_id": 3374},
    ]
    assert rows["customer_event_counts"] == [
        {"client_id": "MrSmith", "event_type": "35", "event_type_id": 35, "count": 1},
        {
            "client_id": "MrSmith",
            "event_type": "PurchaseEventType",
            "event_type_name": "PurchaseEventType",
            "count": 1,
        },
    ]
    assert rows["events"] == [
        {
            "id": 17,
            "client_id": "MrSmith",
            "amount": Decimal("100.0"),
            "location": "examplesite.com/page6",
            "created_at": "2017-09-11T19:22:50.328Z",
            "updated_at": "2017-09-10T18:49:05.363Z",
            "event_public_key": "b5b5085e605450bb",
            "client_customer_id": 17,
            "event_type_id": 35,
            "lifecycle_status": 3,
            "is_informational": False,
            "event_type_name": "PurchaseEventType",
        }
    ]
    assert rows["event_attributions"][1] == {
        "id": 34,
        "client_id": "MrSmith",
        "traffic_type": 1,
        "weight": Decimal("50.0"),
        "event_weighted_amount": Decimal("50.0"),
        "event_amount": Decimal("100.0"),
        "event_id": 17,
        "touchpoint_id": 54,
        "campaign_id": 8,
        "source_id": 3374,
        "medium_id": 1063,
        "event_type_id": 35,
        "attribution_model_id": 3,
        "elapsed_seconds": 240,
        "medium_name": "Paid",
        "source_name": "adnetwork",
        "campaign_name": "myCampaign",
        "traffic_type_name": "Paid",
        "attribution_model_name": "Linear",
    }
    assert [row["id"] for row in rows["pageviews"]] == [67, 68, 69, 70, 71, 72]
    assert rows["pageviews"][0] == {
        "id": 67,
        "client_id": "MrSmith",
        "url": "examplesite.com/page1",
        "created_at": "2017-09-10T18:48:52.328Z",
        "aliases": ["b8e42821-3ca1-474d-a2d5-def9f6ac74fc"],
    }
    assert [row["id"] for row in rows["touchpoints"]] == [52, 53, 54]
    assert rows["touchpoints"][0]["ip_address"] == "192.168.1.250"
    assert "touchpoint_client_id" not in rows["touchpoints"][0]
    assert rows["identities"] == [
        {
            "client_id": "MrSmith",
            "identity_number": 1,
            "identity_client_id": "MrSmith",
            "is_anonymous": False,
            "meta": {"first_name": "John"},
            "aliases": ["b8e42821-3ca1-474d-a2d5-def9f6ac74fc"],
        }
    ]


def test_instants_are_in_utc_whatever_the_offset(vendor: AttributionIo) -> None:
    output = run_here(settings(vendor))
    offsets = {row["created_at"][23:] for customer in vendor.truth() for row in customer["events"]}
    assert len(offsets) > 3
    instants = [
        value
        for stream in KEYS
        for row in output.records(stream)
        for name, value in row.items()
        if name.endswith("_at") or name == "summary_last_seen"
    ]
    assert {value[-1] for value in instants if value} == {"Z"}


def test_ids_and_decimals_keep_their_digits(vendor: AttributionIo) -> None:
    ids = {2**53 + 1: "events", 2**63 + 7: "pageviews", 10**30 + 1: "touchpoints"}
    event = {"id": 2**53 + 1, "amount": "0.10000000000000000555", "event_type_id": 2**64}
    output = one(
        vendor,
        {
            "client_id": "a",
            "id": 10**25,
            "summary": {"35_attrib": [{"medium_id": 1, "source_id": 2, "total_weight": 1.1}]},
            "events": [event],
            "pageviews": [{"id": 2**63 + 7}],
            "touchpoints": [{"id": str(10**30 + 1)}],
        },
    )
    for id_, stream in ids.items():
        assert [row["id"] for row in output.records(stream)] == [id_]
    for digits in (
        b'"amount":0.10000000000000000555',
        b'"total_weight":1.1',
        b":18446744073709551616",
    ):
        assert digits in output.stdout
    assert output.records("customers")[0]["id"] == 10**25


def test_absent_null_and_empty_lists_give_no_rows(vendor: AttributionIo) -> None:
    bare = one(vendor, {"client_id": "a"})
    null = dict.fromkeys(("summary", "events", "pageviews", "touchpoints", "identities", "meta"))
    nulls = one(vendor, {"client_id": "a", **null})
    empty = one(vendor, {"client_id": "a", "summary": {}, "events": [], "identities": []})
    for output in (bare, nulls, empty):
        assert output.code == 0
        assert [valued(row) for row in output.records("customers")] == [{"client_id": "a"}]
        assert len(output.of("RECORD")) == 1


def test_a_customer_without_an_id_gets_the_requested_one(vendor: AttributionIo) -> None:
    output = one(vendor, {"id": 5, "client_id": None, "pageviews": [{"id": 1}]})
    assert [row["client_id"] for row in output.records("customers")] == ["a"]
    assert [row["client_id"] for row in output.records("pageviews")] == ["a"]


def test_names_of_the_vendors_own_do_not_clash_with_the_customers(vendor: AttributionIo) -> None:
    output = one(
        vendor,
        {
            "client_id": "a",
            "identities": [{"client_id": "b"}, {"client_id": None}],
            "touchpoints": [{"id": 1, "client_id": "c"}],
        },
    )
    identities = output.records("identities")
    assert [(row["client_id"], row["identity_client_id"]) for row in identities] == [
        ("a", "b"),
        ("a", None),
    ]
    (touchpoint,) = output.records("touchpoints")
    assert (touchpoint["client_id"], touchpoint["touchpoint_client_id"]) == ("a", "c")


def test_summaries_are_unpivoted(vendor: AttributionIo) -> None:
    weight = {"total_weight": 100.0}
    summary = {
        "35_attrib": [{"medium_id": None, "source_id": 3, **weight}, {"source_id": 4, "note": "x"}],
        "7_attrib": [],
        "35_count": 2,
        "my_own_count_count": "3",
        "Sign up_count": None,
        "events_count": 5,
        "mood": "fine",
    }
    output = one(vendor, {"client_id": "a", "summary": summary})
    shares = output.rows("customer_attributions")
    assert set(shares) == {("a", 35, 0, 3, 1), ("a", 35, 0, 4, 1)}
    assert shares["a", 35, 0, 4, 1]["_extra"] == {"note": "x"}
    counts = [
        (row["event_type"], row["event_type_id"], row["event_type_name"], row["count"])
        for row in output.records("customer_event_counts")
    ]
    assert counts == [
        ("35", 35, None, 2),
        ("my_own_count", None, "my_own_count", 3),
        ("Sign up", None, "Sign up", None),
    ]
    (customer,) = output.records("customers")
    assert customer["summary_events_count"] == 5
    assert customer["_extra"] == {"summary_mood": "fine"}


def test_an_undocumented_property_goes_into_extra_and_is_logged_once(
    vendor: AttributionIo, caplog: pytest.LogCaptureFixture
) -> None:
    vendor.extra = {"riskScore": 2**70, "segment": {"Name": "gold"}}
    output = run_here(settings(vendor))
    extras = [row["_extra"] for row in output.records("customers")]
    assert extras == [{"risk_score": 2**70, "segment": {"Name": "gold"}}] * 27
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [word for text in warnings for word in ("risk_score", "segment") if word in text] == [
        "risk_score",
        "segment",
    ]


def test_entries_of_one_medium_and_source_are_numbered(vendor: AttributionIo) -> None:
    weights = (100, 300, 600)
    entries: list[Any] = [{"medium_id": 1, "source_id": 2, "total_weight": w} for w in weights]
    other = {"medium_id": 1, "source_id": "2", "total_weight": 1000}
    output = one(vendor, {"summary": {"35_attrib": [*entries, other], "7_attrib": entries[:1]}})
    rows = output.rows("customer_attributions")
    assert [(key[1], key[4]) for key in rows] == [(35, 1), (35, 2), (35, 3), (35, 4), (7, 1)]
    assert sum(row["total_weight"] for key, row in rows.items() if key[1] == 35) == 2000


def test_an_attribution_entry_that_is_not_an_object_is_kept_in_extra(vendor: AttributionIo) -> None:
    entries = [{"medium_id": 1, "source_id": 2, "total_weight": 50}, "text", 7]
    rows = one(vendor, {"summary": {"35_attrib": entries}}).records("customer_attributions")
    assert [(row["medium_id"], row["entry_number"], row["_extra"]) for row in rows] == [
        (1, 1, None),
        (0, 1, {"value": "text"}),
        (0, 2, {"value": 7}),
    ]
