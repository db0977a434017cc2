"""Claims of customers: deleted, merged and incomplete ones."""

from __future__ import annotations

import json
from typing import Any

import pytest

from attribution_elt.kit.testing import Output, Warehouse, claims_of
from attribution_elt.sandbox import Fault
from attribution_elt.sandbox.attribution_io import AttributionIo
from tests.taps.tap_attribution_io.helpers import KEYS, run_here, settings


def rows_of(warehouse: Warehouse, client_id: str) -> dict[str, int]:
    return {
        stream: sum(row["client_id"] == client_id for row in rows.values())
        for stream, rows in warehouse.rows.items()
    }


def answered(vendor: AttributionIo, customer: Any) -> Output:
    vendor.faults.add(Fault("status", status=200, body=json.dumps({"customer": customer})))
    return run_here(settings(vendor, customer_ids=["a"]))


def claimed(output: Output, client_id: str = "a") -> set[str]:
    return {stream for stream in KEYS if {"client_id": client_id} in claims_of(output, stream)}


def test_a_deleted_customer_leaves_all_eight_tables(vendor: AttributionIo) -> None:
    warehouse = Warehouse()
    warehouse.load(run_here(settings(vendor)))
    assert all(rows_of(warehouse, "MrSmith").values())
    ids = [each for each in vendor.client_ids if each != "MrSmith"]
    before = {each: rows_of(warehouse, each) for each in ids}
    vendor.faults.add(Fault("status", status=404, match="/MrSmith", times=None))
    warehouse.load(run_here(settings(vendor)))
    assert not any(rows_of(warehouse, "MrSmith").values())
    assert {each: rows_of(warehouse, each) for each in ids} == before


def test_if_every_customer_is_unknown_no_row_is_removed(vendor: AttributionIo) -> None:
    warehouse = Warehouse()
    warehouse.load(run_here(settings(vendor)))
    before = {stream: dict(rows) for stream, rows in warehouse.rows.items()}
    vendor.faults.add(Fault("status", status=404, times=None))
    output = run_here(settings(vendor))
    assert output.code == 0
    warehouse.load(output)
    assert warehouse.rows == before


@pytest.mark.parametrize("pii", ["keep", "hash", "drop"])
def test_a_merged_customer_s_rows_move_to_the_other_one(vendor: AttributionIo, pii: str) -> None:
    warehouse = Warehouse()
    config = settings(vendor, customer_ids=["old", "MrSmith"], pii=pii, pii_key="0123456789abcdef")
    for client_id in ("old", "MrSmith"):
        body = json.dumps({"customer": {"client_id": client_id, "pageviews": [{"id": 7}]}})
        vendor.faults.add(Fault("status", status=200, body=body, match="/old"))
        warehouse.load(run_here(config))
    customers = {row["client_id"] for row in warehouse.rows["customers"].values()}
    assert len(customers) == 1
    children = {row["client_id"] for row in warehouse.rows["pageviews"].values()}
    assert children == (customers if pii != "drop" else {None})


def test_only_parts_of_the_response_are_claimed(vendor: AttributionIo) -> None:
    assert claimed(answered(vendor, {"client_id": "a"})) == {"customers"}
    lists: dict[str, Any] = {
        name: [] for name in ("events", "pageviews", "touchpoints", "identities")
    }
    everything = {"client_id": "a", "summary": {}, **lists}
    assert claimed(answered(vendor, everything)) == set(KEYS)
    for name in lists:
        absent = {key: value for key, value in everything.items() if key != name}
        missing = {name} | ({"event_attributions"} if name == "events" else set())
        assert claimed(answered(vendor, absent)) == set(KEYS) - missing
    results = {"customer_attributions", "customer_event_counts"}
    assert claimed(answered(vendor, {**everything, "summary": None})) == set(KEYS) - results
    odd = {**everything, "summary": {"35_attrib": {"medium_id": 1}}}
    assert claimed(answered(vendor, odd)) == set(KEYS) - {"customer_attributions"}


@pytest.mark.parametrize("outputs", [None, {}, "absent"])
def test_an_event_without_its_attribution_makes_no_claim_of_attributions(
    vendor: AttributionIo, outputs: Any
) -> None:
    event: dict[str, Any] = {"id": 1, "attribution_model_outputs": outputs}
    if outputs == "absent":
        del event["attribution_model_outputs"]
    whole = {"id": 2, "attribution_model_outputs": [{"id": 3}]}
    output = answered(vendor, {"client_id": "a", "events": [whole, event]})
    assert "event_attributions" not in claimed(output)
    assert "events" in claimed(output)


def test_recomputed_attributions_replace_the_old_ones(vendor: AttributionIo) -> None:
    warehouse = Warehouse()
    for first in (10, 20):
        outputs = [{"id": first + n, "weight": 50, "event_id": 1} for n in range(2)]
        customer = {"events": [{"id": 1, "attribution_model_outputs": outputs}]}
        warehouse.load(answered(vendor, customer))
    assert sum(row["weight"] for row in warehouse.rows["event_attributions"].values()) == 100


def test_a_failed_customer_is_not_claimed(vendor: AttributionIo) -> None:
    vendor.faults.add(Fault("status", status=500, match="/MrSmith", times=None))
    output = run_here(settings(vendor))
    assert output.code == 1
    assert claimed(output, "MrSmith") == set()
    assert claims_of(output, "customers")
