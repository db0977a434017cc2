"""Personal data of the people behind the channels."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from attribution_elt.sandbox.adtraction import Adtraction
from tests.taps.tap_adtraction.helpers import answer_with, run_here, settings


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
