"""The console script, run as users and Meltano run it."""

from __future__ import annotations

from typing import Any

import pytest
from tap_ignite.tap import TapIgnite

from attribution_elt.kit.errors import InvalidSettingsError

ACCOUNT = {"token": "t", "secret": "s"}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, ["'websites' is missing"]),
        ({"websites": []}, ["'websites'"]),
        ({"websites": [{"token": "t"}]}, ["'websites[0].secret' is missing"]),
        ({"websites": [{**ACCOUNT, "token": ""}]}, ["'websites[0].token'"]),
        ({"websites": [ACCOUNT, {**ACCOUNT, "name": "website_1"}]}, ["'website_1'"]),
        ({"websites": [{**ACCOUNT, "name": "a"}] * 2}, ["'websites': the name 'a' is given twice"]),
        ({"websites": [ACCOUNT], "hash_algorithms": []}, ["'hash_algorithms'"]),
        ({"websites": [ACCOUNT], "hash_algorithms": ["sha256"]}, ["'hash_algorithms[0]'"]),
        ({"websites": [ACCOUNT], "start_date": "2026-02-30"}, ["'start_date'"]),
        (
            {"websites": [ACCOUNT], "lookback_days": -1, "pii": "hash"},
            ["'lookback_days'", "'pii_key'"],
        ),
    ],
)
def test_invalid_settings_are_reported_in_a_line_each(
    config: dict[str, Any], expected: list[str]
) -> None:
    with pytest.raises(InvalidSettingsError) as raised:
        TapIgnite(config=config)
    assert len(raised.value.faults) == len(expected)
    assert all(any(words in line for line in raised.value.faults) for words in expected)
