"""Claims of lists, members and sales."""

from __future__ import annotations

import json
from typing import Any

import pytest

from attribution_elt.kit.testing import Warehouse, claims_of
from attribution_elt.sandbox import Fault, Sandbox
from tests.taps.tap_ignite.helpers import days_ago, only, run_here, settings

CLAIMED = ("audiences", "audience_groups", "sales", "matched_sales")


def test_windows_of_the_past_days_are_not_claimed(sandbox: Sandbox) -> None:
    output = run_here(settings(sandbox))
    websites = [site.name for site in sandbox.ignite.websites]
    for stream in CLAIMED:
        assert claims_of(output, stream) == [{"website": name} for name in websites]
    for stream in ("visitors", "products", "locations", "location_details"):
        assert claims_of(output, stream) == []


def test_members_are_claimed_by_list_and_algorithm(sandbox: Sandbox) -> None:
    site = sandbox.ignite.websites[1]
    config = settings(sandbox, websites=[site], hash_algorithms=["md5", "sha2"])
    output = run_here(config, catalog=only(config, "audience_members"))
    algorithms = ("md5", "sha2")
    whole = [{"website": site.name, "algorithm": algorithm} for algorithm in algorithms]
    assert (
        claims_of(output, "audience_members")
        == [
            {"website": site.name, "audience_id": row["id"], "algorithm": algorithm}
            for row in site.listed("audiences")
            for algorithm in algorithms
        ]
        + whole
    )


def test_members_of_an_audience_that_is_no_longer_listed_are_removed(
    sandbox: Sandbox,
) -> None:
    site = sandbox.ignite.websites[1]
    config = settings(sandbox, websites=[site])
    warehouse = Warehouse()
    first = run_here(config)
    warehouse.load(first)
    gone = site.listed("audiences")[0]["id"]
    assert any(key[1] == gone for key in warehouse.rows["audience_members"])
    sandbox.ignite.withdraw(site.name, "audiences", gone)
    second = run_here(config, state=first.states[-1])
    warehouse.load(second)
    assert not any(key[1] == gone for key in warehouse.rows["audience_members"])
    assert warehouse.rows["audience_members"] == second.rows("audience_members")


def test_members_of_an_algorithm_that_is_no_longer_set_stay(sandbox: Sandbox) -> None:
    warehouse = Warehouse()
    warehouse.load(run_here(settings(sandbox, hash_algorithms=["md5", "sha1"])))
    before = dict(warehouse.rows["audience_members"])
    warehouse.load(run_here(settings(sandbox, hash_algorithms=["md5"])))
    assert warehouse.rows["audience_members"] == before


def test_a_website_with_a_failed_audience_keeps_its_other_members(sandbox: Sandbox) -> None:
    site = sandbox.ignite.websites[1]
    warehouse = Warehouse()
    config = settings(sandbox, websites=[site])
    warehouse.load(run_here(config))
    before = dict(warehouse.rows["audience_members"])
    (failed, *_) = (row["id"] for row in site.listed("audiences"))
    sandbox.ignite.faults.add(Fault("status", status=404, match=f"/audiences/{failed}", times=None))
    output = run_here(config)
    assert output.code == 1
    warehouse.load(output)
    assert warehouse.rows["audience_members"] == before


@pytest.mark.parametrize("list_", ["failing", "with an entry without an id"])
def test_a_list_that_is_not_complete_withdraws_no_members(sandbox: Sandbox, list_: str) -> None:
    site = sandbox.ignite.websites[1]
    config = settings(sandbox, websites=[site])
    first = run_here(config)
    warehouse = Warehouse()
    warehouse.load(first)
    before = dict(warehouse.rows["audience_members"])
    kept = site.listed("audiences")[3:]
    status, body = (500, None) if list_ == "failing" else (200, json.dumps([*kept, {"brand": "a"}]))
    sandbox.ignite.faults.add(
        Fault("status", status=status, body=body, match="/audiences?", times=None)
    )
    second = run_here(config, state=first.states[-1])
    warehouse.load(second)
    assert warehouse.rows["audience_members"] == before
    sandbox.ignite.faults.clear()
    sandbox.ignite.withdraw(site.name, "audiences", kept[0]["id"])
    warehouse.load(run_here(config, state=second.states[-1]))
    assert not any(key[1] == kept[0]["id"] for key in warehouse.rows["audience_members"])


def test_a_website_removed_from_the_settings_keeps_its_rows(sandbox: Sandbox) -> None:
    warehouse = Warehouse()
    state = run_here(settings(sandbox)).states[-1]
    warehouse.load(run_here(settings(sandbox)))
    before = {stream: dict(rows) for stream, rows in warehouse.rows.items()}
    config = settings(sandbox, websites=sandbox.ignite.websites[:1])
    warehouse.load(run_here(config, state=state))
    for stream in CLAIMED:
        assert warehouse.rows[stream] == before[stream]


def test_a_shorter_window_of_members_removes_those_not_seen_lately(sandbox: Sandbox) -> None:
    warehouse = Warehouse()
    warehouse.load(run_here(settings(sandbox, snapshot_days=59)))
    many = len(warehouse.rows["audience_members"])
    output = run_here(settings(sandbox, snapshot_days=1))
    warehouse.load(output)
    assert warehouse.rows["audience_members"] == output.rows("audience_members")
    assert len(warehouse.rows["audience_members"]) < many
    days = {row["window_start"] for row in output.records("audience_members")}
    assert days == {str(days_ago(sandbox, 1))}


def test_sales_without_one_of_the_lists_claim_the_other(sandbox: Sandbox) -> None:
    body = json.dumps({"sales": [{"id": 1}]})
    sandbox.ignite.faults.add(Fault("status", status=200, body=body, match="/sales?", times=None))
    config = settings(sandbox, websites=sandbox.ignite.websites[:1])
    output = run_here(config)
    assert claims_of(output, "sales") == [{"website": "website_1"}]
    assert claims_of(output, "matched_sales") == []


def test_a_changed_sale_without_an_id_replaces_the_old_row(sandbox: Sandbox) -> None:
    warehouse = Warehouse()
    config = settings(sandbox, websites=sandbox.ignite.websites[:1])
    for amount in (1, 2):
        body = json.dumps({"sales": [{"amount": amount}, {"amount": 9}], "matched_sales": []})
        fault = Fault("status", status=200, body=body, match="/sales?")
        sandbox.ignite.faults.add(fault)
        warehouse.load(run_here(config, catalog=only(config, "sales")))
    amounts: list[Any] = [row["_extra"]["amount"] for row in warehouse.rows["sales"].values()]
    assert sorted(amounts) == [2, 9]
