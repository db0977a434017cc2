"""Rows of all streams, compared with the vendor's truth."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from attribution_elt.sandbox import Fault, Sandbox
from tests.taps.tap_ignite.helpers import (
    DATED,
    KEYS,
    SALES,
    days_ago,
    expected,
    matches_truth,
    only,
    requests,
    run_here,
    settings,
)


def answer(sandbox: Sandbox, path: str, document: Any) -> None:
    """Return a document for every request for a path."""
    fault = Fault(
        "status",
        status=200,
        times=None,
        body=json.dumps(document),
        match=lambda request: request.path == f"/api/{path}",
    )
    sandbox.ignite.faults.add(fault)


def test_the_first_run_looks_back_30_days(sandbox: Sandbox) -> None:
    output = run_here(settings(sandbox))
    assert all(
        matches_truth(output, site, days_ago(sandbox, 30)) for site in sandbox.ignite.websites
    )


def test_each_hash_algorithm_is_requested_and_kept_apart(sandbox: Sandbox) -> None:
    algorithms = ("md5", "sha1", "sha2")
    since = days_ago(sandbox, 30)
    output = run_here(settings(sandbox, hash_algorithms=list(algorithms)))
    assert all(matches_truth(output, site, since, algorithms) for site in sandbox.ignite.websites)
    assert [len(hash_) for _, algorithm, hash_ in output.rows("visitors") if algorithm == "sha2"]
    asked = {request.query["algo"][0] for request in requests(sandbox, "audiences/")}
    assert asked == set(algorithms)


def test_an_algorithm_that_is_named_twice_is_requested_once(sandbox: Sandbox) -> None:
    config = settings(sandbox, hash_algorithms=["sha1", "sha1"])
    run_here(config, catalog=only(config, "visitors"))
    assert len(requests(sandbox)) == len(sandbox.ignite.websites)


def test_the_hashes_of_a_location_are_of_the_first_algorithm(sandbox: Sandbox) -> None:
    output = run_here(settings(sandbox, hash_algorithms=["sha2", "md5"]))
    truth = expected(sandbox.ignite.websites[1], days_ago(sandbox, 30), ["sha2"])
    rows = output.rows("location_details")
    assert truth["location_details"].items() <= rows.items()
    hashes = [text for row in rows.values() for text in row["hashed_emails"]]
    assert {len(text) for text in hashes} == {64}


def test_documented_samples_value_by_value(sandbox: Sandbox) -> None:
    output = run_here(settings(sandbox))
    product = output.rows("products")["website_1", "3CZRU5H3XNM705748"]
    assert product["url"] == (
        "https://www.website.com/inventory/"
        "new-2022-honda-hr-v-lx-fwd-sport-utility-3czru5h3xnm705748/"
    )
    assert product["feature_image_url"] == "https://image-host/imageurl.png"
    assert product["created_at"] == "2021-10-03T17:14:07.480Z"
    assert product["year"] == "2022"
    details = output.rows("location_details")["website_1", 59378]
    assert (str(details["latitude"]), str(details["longitude"])) == ("35.783336", "-78.848969")
    assert (details["resident"], details["zip"], details["state"]) == ("JON SNOW", "27519", "nc")
    assert details["hashed_emails"] == [
        "1ca81507aa511c9501c24cdea61e06",
        "4f19af40f5ba74309b1dc0e594aa8d",
    ]
    assert details["summary"]["visit_last"] == "2021-04-29T14:41:32.000Z"
    assert (details["summary"]["session_count"], details["pages"]) == (7, [])
    group = output.rows("audience_groups")["website_1", 15]
    assert (group["label"], group["primary_categories"]) == ("Used Model Visitors", ["USED"])
    assert (group["brands"], group["models"], group["visitors_count"]) == ([], [], 106931)
    member = ("website_1", 4922, "md5", "28d8dfd2afe8c09ab1f99920e4026b8")
    assert member in output.rows("audience_members")


def test_a_zip_keeps_its_zero(sandbox: Sandbox) -> None:
    output = run_here(settings(sandbox))
    zips = {row["zip"] for row in output.records("locations")}
    assert zips & {"02139", "07102", "00901"}
    assert all(isinstance(text, str) for text in zips)


def test_websites_without_a_name_are_numbered(sandbox: Sandbox) -> None:
    accounts = [{"token": site.token, "secret": site.secret} for site in sandbox.ignite.websites]
    accounts[1]["name"] = "Łódź: shop/2"
    output = run_here(settings(sandbox, websites=accounts))
    assert {row["website"] for row in output.records("visitors")} == {"website_1", "Łódź: shop/2"}


def test_rows_of_dated_streams_carry_their_window(sandbox: Sandbox) -> None:
    output = run_here(settings(sandbox, start_date=str(days_ago(sandbox, 12)), snapshot_days=20))
    for stream in KEYS:
        windows = {row.get("window_start", "absent") for row in output.records(stream)}
        days = 20 if "members" in stream else 12
        expected_windows = {str(days_ago(sandbox, days)) if stream in DATED else "absent"}
        assert windows == expected_windows, stream


@pytest.mark.parametrize(
    ("item", "key"),
    [
        ({"vin": "V1", "stock": "S1", "url": "<u>"}, "V1"),
        ({"vin": " ", "stock": 17, "url": "<u>"}, "17"),
        ({"vin": None, "stock": "", "url": "<https://x.example/1>"}, "https://x.example/1"),
    ],
)
def test_the_key_of_a_product_is_its_vin_or_stock_or_url(
    sandbox: Sandbox, item: dict[str, Any], key: str
) -> None:
    answer(sandbox, "products", [item, item, {"title": "a"}, {"title": "a"}, {"title": "b"}])
    config = settings(sandbox, websites=sandbox.ignite.websites[:1])
    output = run_here(config, catalog=only(config, "products"))
    assert output.code == 0
    keys = [row["product_key"] for row in output.records("products")]
    assert keys[:2] == [key, f"{key}#2"]
    assert keys[2].startswith("sha256:")
    assert keys[3] == f"{keys[2]}#2"
    assert keys[4] != keys[2]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("id_", ["..", ".", "", None, [1]])
def test_an_id_that_cannot_be_part_of_a_path_is_not_requested(
    sandbox: Sandbox, id_: Any, caplog: pytest.LogCaptureFixture
) -> None:
    answer(sandbox, "audiences", [{"id": id_}, {"id": 20003}])
    config = settings(sandbox, websites=sandbox.ignite.websites[1:])
    output = run_here(config, catalog=only(config, "audience_members"))
    assert output.code == 0
    assert {each.path for each in requests(sandbox)} == {"/api/audiences", "/api/audiences/20003"}
    assert "audiences: entries without a usable id" in caplog.text


def test_sales_are_complete_and_have_a_separate_key(sandbox: Sandbox) -> None:
    sandbox.ignite.sizes.sales = 200
    output = run_here(settings(sandbox))
    site = sandbox.ignite.websites[1]
    for stream in SALES:
        keys = [key for website, key in output.rows(stream) if website == site.name]
        assert len(keys) == len(set(keys)) > 5
        for row in output.rows(stream).values():
            sale = row["_extra"]
            own = sale.get("id") or sale.get("sale_id")
            if own:
                assert row["sale_key"] == str(own)
            else:
                assert re.fullmatch(r"sha256:[0-9a-f]{64}#\d", row["sale_key"])
        assert any(key.endswith("#2") for key in keys), "equal rows have different keys"


def test_the_key_of_a_sale_does_not_depend_on_the_order(sandbox: Sandbox) -> None:
    rows = [{"a": 1, "b": None}, {"sale_id": "x", "id": None}, {"a": 2}, {"b": None, "a": 1}]
    keys = []
    config = settings(sandbox, websites=sandbox.ignite.websites[:1])
    for order in (rows, rows[::-1]):
        answer(sandbox, "sales", {"sales": order, "matched_sales": None})
        output = run_here(config, catalog=only(config, *SALES))
        keys.append(sorted(output.rows("sales")))
        assert len(output.records("sales")) == 4
        sandbox.ignite.faults.clear()
    assert keys[0] == keys[1]
    assert ("website_1", "x") in keys[0]


def test_sales_that_share_an_id_are_kept(sandbox: Sandbox) -> None:
    rows = [{"sale_id": 5, "item": 1}, {"sale_id": 5, "item": 2}, {"id": 0}]
    answer(sandbox, "sales", {"sales": [*rows, rows[0]], "matched_sales": []})
    config = settings(sandbox, websites=sandbox.ignite.websites[:1])
    output = run_here(config, catalog=only(config, "sales"))
    kept = {row["sale_key"]: row["_extra"] for row in output.records("sales")}
    assert kept == dict(zip(("5", "5#2", "0"), rows, strict=True))


def test_a_sale_that_is_not_an_object_is_kept(sandbox: Sandbox) -> None:
    answer(sandbox, "sales", {"sales": ["abc", 7, None], "matched_sales": []})
    config = settings(sandbox, websites=sandbox.ignite.websites[:1])
    output = run_here(config, catalog=only(config, "sales"))
    assert [row["_extra"] for row in output.records("sales")] == [
        {"value": "abc"},
        {"value": 7},
        {"value": None},
    ]


def test_an_unknown_member_next_to_the_sales_is_logged(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    answer(sandbox, "sales", {"sales": [], "matched_sales": [], "totals": {"count": 0}})
    run_here(settings(sandbox))
    assert [text for text in caplog.messages if "totals" in text] == [
        "property 'totals' of the response of /sales is not in any stream"
    ]


def test_an_undocumented_property_goes_into_extra(sandbox: Sandbox) -> None:
    sandbox.ignite.extra = {"dealerCode": 2**63 + 5}
    output = run_here(settings(sandbox))
    for stream in ("products", "locations", "location_details", "audiences", "audience_groups"):
        assert {row["_extra"]["dealer_code"] for row in output.records(stream)} == {2**63 + 5}
    assert {row["_extra"]["dealerCode"] for row in output.records("sales")} == {2**63 + 5}


def test_details_are_read_although_their_list_is_not_selected(sandbox: Sandbox) -> None:
    config = settings(sandbox)
    output = run_here(config, catalog=only(config, "audience_members", "location_details"))
    for site in sandbox.ignite.websites:
        rows = expected(site, days_ago(sandbox, 30))
        for stream in ("audience_members", "location_details"):
            assert rows[stream].items() <= output.rows(stream).items()
    assert output.records("audiences") == output.records("locations") == []
    assert not requests(sandbox, "audience_groups")


def test_lists_without_their_details_cost_one_request_a_website(sandbox: Sandbox) -> None:
    config = settings(sandbox)
    run_here(config, catalog=only(config, "audiences", "locations", "audience_groups"))
    assert len(requests(sandbox)) == 3 * len(sandbox.ignite.websites)


def test_a_website_without_data_is_not_a_failure(sandbox: Sandbox) -> None:
    sizes = sandbox.ignite.sizes
    sizes.visitors = sizes.products = sizes.locations = sizes.sales = 0
    sizes.audiences = sizes.audience_groups = 0
    output = run_here(settings(sandbox, websites=sandbox.ignite.websites[1:]))
    assert (output.code, output.of("RECORD")) == (0, [])
    assert {message["stream"] for message in output.of("SCHEMA")} == set(KEYS)


def test_ids_that_are_texts_are_requested_as_they_are(sandbox: Sandbox) -> None:
    answer(sandbox, "audiences", [{"id": "7/a b"}, {"id": 2**70}, {"id": 2**70}])
    answer(sandbox, "audiences/7%2Fa%20b", ["x"])
    answer(sandbox, f"audiences/{2**70}", ["y"])
    config = settings(sandbox, websites=sandbox.ignite.websites[:1])
    output = run_here(config, catalog=only(config, "audience_members"))
    (stand_in, *_), (whole, *_) = [key[1:] for key in output.rows("audience_members")]
    assert (stand_in < 0, whole) == (True, 2**70)  # a text cannot be the id of an audience
    assert len(requests(sandbox, "audiences/")) == 2
