from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import Any

import pytest

from attribution_elt.sandbox.adtraction import Adtraction
from tests.taps.tap_adtraction.helpers import answer_with, run_here, settings

URL = "https://shop.example/a"
HASHED = "sha256:" + hashlib.sha256(URL.encode()).hexdigest()


def keys_of(vendor: Adtraction, *products: Any) -> list[str]:
    """Return the keys of these products in a feed."""
    answer_with(vendor, "feed", json.dumps(products))
    output = run_here(settings(vendor, markets=["SE"], channel_ids=[1175982945]))
    assert output.code == 0
    return [row["product_key"] for row in output.records("products")]


def test_a_product_key_is_the_sku_unchanged(vendor: Adtraction) -> None:
    skus = ["abc123", "00017", " 42 ", "Größe 38", "a/b#2", "ABC123"]
    assert keys_of(vendor, *({"sku": sku} for sku in skus)) == skus


def test_a_product_key_has_the_digits_of_a_numeric_sku(vendor: Adtraction) -> None:
    assert keys_of(vendor, {"sku": 17}, {"sku": 2**64 + 1}) == ["17", str(2**64 + 1)]


@pytest.mark.parametrize("blank", [{}, {"sku": None}, {"sku": ""}, {"sku": "  "}])
def test_a_blank_sku_is_replaced_by_the_hash_of_the_url(
    vendor: Adtraction, blank: dict[str, Any]
) -> None:
    assert keys_of(vendor, {**blank, "productUrl": URL}) == [HASHED]


def test_repeated_product_keys_are_numbered_in_the_order_of_the_feed(vendor: Adtraction) -> None:
    skus = ["a", "b", "a", "a", "b"]
    assert keys_of(vendor, *({"sku": sku} for sku in skus)) == ["a", "b", "a#2", "a#3", "b#2"]
    assert keys_of(vendor, *({"productUrl": URL} for _ in range(3))) == [
        HASHED,
        f"{HASHED}#2",
        f"{HASHED}#3",
    ]


@pytest.mark.parametrize(
    ("skus", "keys"),
    [
        (["a#2", "a", "a"], ["a#2", "a", "a#3"]),
        (["a", "a", "a#2"], ["a", "a#2", "a#2#2"]),
        (["a\0", "a"], ["a", "a#2"]),
    ],
)
def test_a_numbered_product_key_never_equals_another_key(
    vendor: Adtraction, skus: list[str], keys: list[str]
) -> None:
    assert keys_of(vendor, *({"sku": sku} for sku in skus)) == keys


def test_products_without_sku_and_url_are_numbered_too(vendor: Adtraction) -> None:
    empty = "sha256:" + hashlib.sha256(b"").hexdigest()
    assert keys_of(vendor, {}, {"productUrl": None}) == [empty, f"{empty}#2"]


def test_product_keys_are_numbered_within_a_feed(vendor: Adtraction) -> None:
    vendor.feed_sizes = (60,)
    rows = run_here(settings(vendor)).records("products")
    keys = Counter(row["product_key"] for row in rows)
    assert set(keys.values()) == {1, len(vendor.channel_ids)}, "both channels have the first feed"
    per_row = {(row["channel_id"], row["feed_id"], row["product_key"]) for row in rows}
    assert len(per_row) == len(rows)
    kinds = Counter(key.partition(":")[0] for key in keys if key.endswith("#2"))
    assert kinds["sha256"], "a blank sku whose url repeats"
    assert len(kinds) > 1, "a sku that repeats"
