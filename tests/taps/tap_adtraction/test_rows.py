from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from attribution_elt.sandbox.adtraction import Adtraction
from attribution_elt.sandbox.adtraction.stockholm import iso
from tests.taps.tap_adtraction.helpers import (
    answer_with,
    bookmarks,
    emitted_rows,
    matches_truth,
    requests_for,
    run_here,
    settings,
)

PROGRAM = {"programId": 1, "market": "SE"}


def test_commissions_and_feeds_cost_no_request(vendor: Adtraction) -> None:
    run_here(settings(vendor))
    paths = {request.path for request in vendor.requests}
    assert paths == {"/v3/partner/programs/", "/v3/partner/products/feed/", "/v3/client/channels/"}
    assert len(requests_for(vendor, "programs")) == len(vendor.markets) * len(vendor.channel_ids)


def test_without_channels_there_are_programs_of_channel_0_and_no_products(
    vendor: Adtraction,
) -> None:
    output = run_here(settings(vendor, channel_ids=...))
    assert output.code == 0
    ids = [row["programId"] for market in vendor.markets for row in vendor.programs(market)]
    assert [row["program_id"] for row in output.records("programs")] == ids
    assert {row["channel_id"] for row in output.records("programs")} == {0}
    assert {row["channel_id"] for row in output.records("commissions")} == {0}
    assert output.of("SCHEMA", "products") == []
    assert all("channelId" not in request.json() for request in requests_for(vendor, "programs"))


def test_the_samples_of_the_document(vendor: Adtraction) -> None:
    output = run_here(settings(vendor, markets=["SE"], channel_ids=[1175982945]))
    (program,) = emitted_rows(output.records("programs"))
    assert program == {
        "market": "SE",
        "channel_id": 1175982945,
        "program_id": 629059552,
        "program_name": "Kitchentime SE",
        "program_url": "https://www.kitchentime.se",
        "status": 0,
        "approval_status": 1,
        "currency": "SEK",
        "current_segment": "Gold",
        "pending_active": False,
        "cookie_duration": 45,
        "ad_id": 1062755777,
        "category_id": 1,
        "category_name": "Fashion & accessories",
        "tracking_type": 2,
        "epc": Decimal("1.94"),
        **{f"{kind}_marketing": 1 for kind in ("ppc", "social", "email", "cashback", "coupon")},
        "logo_url": "https://secure.adtraction.com/image.htm?imgId=56807831",
        "tracking_url": "https://track.adtraction.com/t/t?a=24209996&as=24577691&t=2&tk=1",
    }
    assert output.records("commissions") == [
        {
            "channel_id": 1175982945,
            "program_id": 629059552,
            "commission_id": "1066446216",
            "name": "Sale new customer",
            "type": "SEK",
            "value": 100,
            "transaction_type": 3,
            "categories": [{"category": "Books", "type": "%", "value": Decimal("4.5")}],
            "thresholds": [{"order_value": 1500, "type": "SEK", "value": Decimal("7.5")}],
            "_extra": None,
        }
    ]
    (feed,) = output.records("feeds")
    assert (feed["feed_id"], feed["last_updated"]) == (759, "2022-02-03T01:05:06Z")
    (product,) = emitted_rows(output.records("products"))
    assert product == {
        "channel_id": 1175982945,
        "program_id": 629059552,
        "feed_id": 759,
        "product_key": "abc123",
        "feed_last_updated": "2022-02-03T01:05:06Z",
        "source_program_id": 1062755777,
        "sku": "abc123",
        "ean": "0711719437215",
        "product_name": "PlayStation 5",
        "product_description": "PlayStation 4 redefines rich and immersive gameplay with powerful "
        "graphics and speed.",
        "product_category": "Consoles",
        "product_price": Decimal("129.5"),
        "old_price": 45,
        "shipping": 9,
        "currency": "EUR",
        "market": "SE",
        "in_stock": True,
        "manufacturer": "Sony",
        "manufacturer_article_number": "12345678",
        "product_url": "https://www.site.com/store/product_acb",
        "tracking_url": "https://track.adtraction.com/t/t?a=24209996&as=24577691&t=2&tk=1",
        "image_url": "http://www.site.com/store/product_acb.png",
        "approval_status": 1,
        "extra_info": [{"key": "color", "value": "red"}],
    }


def test_the_document_s_channel_with_its_impossible_date(vendor: Adtraction) -> None:
    first, *others = run_here(settings(vendor)).records("channels")
    assert (first["application_date"], first["_extra"]) == (
        None,
        {"application_date": "2021-11-31"},
    )
    assert all(row["application_date"] and row["_extra"] is None for row in others)


def test_decimals_keep_their_digits(vendor: Adtraction) -> None:
    vendor.feed_sizes = (30,)
    lines = run_here(settings(vendor)).stdout
    prices = [row["productPrice"] for row in vendor.truth()["products"]]
    assert any(price.endswith("0") for price in prices)
    assert all(b'"product_price":%b,' % price.encode() in lines for price in prices)
    body = json.dumps([{**PROGRAM, "epc": 0}]).replace('"epc": 0', '"epc": 0.10000000000000000555')
    answer_with(vendor, "programs", body)
    assert b'"epc":0.10000000000000000555' in run_here(settings(vendor)).stdout


def test_numeric_commission_ids_are_text_with_all_their_digits(vendor: Adtraction) -> None:
    ids = {row["commission_id"] for row in run_here(settings(vendor)).records("commissions")}
    assert all(isinstance(each, str) for each in ids)
    sent = {each["id"] for row in vendor.truth()["programs"] for each in row["commissions"]}
    assert any(isinstance(each, int) and each > 2**53 for each in sent)
    assert ids == {str(each) for each in sent}


@pytest.mark.parametrize(
    ("sent", "emitted"),
    [
        ("2026-03-29T01:59:59+0100", "2026-03-29T00:59:59Z"),
        ("2026-03-29T03:00:00+0200", "2026-03-29T01:00:00Z"),
        ("2025-10-26T02:30:00+0200", "2025-10-26T00:30:00Z"),
        ("2025-10-26T02:30:00+0100", "2025-10-26T01:30:00Z"),
        ("2025-07-01T00:30:00.250+0200", "2025-06-30T22:30:00.250Z"),
    ],
)
def test_instants_are_in_utc_on_both_sides_of_a_clock_change(
    vendor: Adtraction, sent: str, emitted: str
) -> None:
    body = json.dumps([{**PROGRAM, "feeds": [{"feedId": 5, "lastUpdated": sent}]}])
    answer_with(vendor, "programs", body)
    config = settings(vendor, markets=["SE"], channel_ids=[1])
    output = run_here(config)
    assert [row["last_updated"] for row in output.records("feeds")] == [emitted]
    assert bookmarks(output.states[-1]) == {"1:1:5": emitted}


def test_feeds_of_a_whole_year_are_in_utc(vendor: Adtraction) -> None:
    feeds = vendor.feeds()
    moment = datetime(2025, 10, 25, 22, tzinfo=UTC)
    for hours, feed in enumerate(feeds.values()):
        feed.updated = moment + timedelta(hours=hours)
    told_as = [iso(feed.updated) for feed in feeds.values()]
    assert {text[-5:] for text in told_as} == {"+0100", "+0200"}
    output = run_here(settings(vendor))
    assert matches_truth(vendor, output)


def test_a_live_property_that_no_schema_names_is_kept_with_one_warning(
    vendor: Adtraction, caplog: pytest.LogCaptureFixture
) -> None:
    output = run_here(settings(vendor))
    assert sum(row["_extra"] is not None for row in output.records("programs")) == 8
    warnings = [each for each in caplog.records if each.levelno >= logging.WARNING]
    about = [each for each in warnings if "brand_category_image" in each.getMessage()]
    assert len(about) == 1
    assert about[0].name.endswith(".programs")
    assert len(warnings) == 2, "and one for the impossible date"


def test_a_value_that_does_not_fit_its_type_does_not_drop_the_row(vendor: Adtraction) -> None:
    feed = {"feedId": 5, "lastUpdated": "yesterday", "numberOfProducts": "some"}
    body = json.dumps([{**PROGRAM, "epc": "n/a", "status": [1], "feeds": [feed]}])
    answer_with(vendor, "programs", body)
    answer_with(vendor, "feed", json.dumps([{"sku": "a", "productPrice": "12,50 kr"}]))
    output = run_here(settings(vendor, markets=["SE"], channel_ids=[1]))
    assert output.code == 0
    assert output.records("programs")[0]["_extra"] == {"epc": "n/a", "status": [1]}
    assert output.records("feeds")[0]["_extra"] == {
        "last_updated": "yesterday",
        "number_of_products": "some",
    }
    (product,) = output.records("products")
    assert product["_extra"] == {"product_price": "12,50 kr"}
    assert product["feed_last_updated"] is None


def test_a_program_without_an_id_gets_a_stand_in(vendor: Adtraction) -> None:
    answer_with(vendor, "programs", json.dumps([{"programName": "?"}, PROGRAM, "?"]))
    output = run_here(settings(vendor, markets=["SE"], channel_ids=[1]))
    ids = [row["program_id"] for row in output.records("programs")]
    assert ids[1] == 1
    assert all(-(2**62) <= each < 0 for each in (ids[0], ids[2]))
    assert output.code == 0
