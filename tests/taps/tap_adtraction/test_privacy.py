"""Personal data of the people behind the channels."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from typing import Any

import pytest

from attribution_elt.sandbox.adtraction import Adtraction
from tests.taps.tap_adtraction.helpers import answer_with, run_here, settings


def names(vendor: Adtraction) -> list[str]:
    return [row["affiliateName"] for row in vendor.truth()["channels"]]


def test_a_hash_is_keyed_and_the_same_in_every_run(vendor: Adtraction) -> None:
    hashes = [
        hmac.new(b"k" * 16, name.casefold().encode(), hashlib.sha256).hexdigest()
        for name in names(vendor)
    ]
    for _ in range(2):
        rows = run_here(settings(vendor, pii="hash", pii_key="k" * 16)).records("channels")
        assert [row["affiliate_name"] for row in rows] == hashes


def test_dropped_names_are_null_and_the_rest_stays(vendor: Adtraction) -> None:
    kept = run_here(settings(vendor)).records("channels")
    assert [row["affiliate_name"] for row in kept] == names(vendor)
    dropped = run_here(settings(vendor, pii="drop")).records("channels")
    assert dropped == [{**row, "affiliate_name": None} for row in kept]


@pytest.mark.parametrize("odd", [["Åsa Nr 1"], {"first": "Åsa Nr 1"}])
@pytest.mark.parametrize("pii", [{"pii": "drop"}, {"pii": "hash", "pii_key": "k" * 16}])
def test_a_name_in_an_unexpected_shape_is_masked_too(
    vendor: Adtraction, odd: Any, pii: dict[str, Any]
) -> None:
    answer_with(vendor, "channels", json.dumps([{"channelId": 1, "affiliateName": odd}]))
    output = run_here(settings(vendor, partner_token=..., **pii))
    assert [row["channel_id"] for row in output.records("channels")] == [1]
    assert "Åsa" not in output.stdout.decode()


def test_no_name_is_logged(vendor: Adtraction, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    body = json.dumps([{"channelId": 1, "affiliateName": {"a": "Åsa"}, "affiliate": "Åsa"}])
    answer_with(vendor, "channels", body)
    run_here(settings(vendor, partner_token=...))
    assert caplog.records
    assert "Åsa" not in caplog.text
