"""The console script, as a user runs it, and the settings that it refuses."""

from __future__ import annotations

from typing import Any

import pytest
from tap_adtraction.tap import TapAdtraction

from attribution_elt.kit.errors import CredentialsError, InvalidSettingsError
from attribution_elt.sandbox import Fault
from attribution_elt.sandbox.adtraction import Adtraction
from tests.taps.tap_adtraction.helpers import (
    PARTNER_STREAMS,
    STREAMS,
    matches_truth,
    only,
    run_here,
    settings,
)

TOKENS = {"partner_token", "client_token"}
SETTINGS = TOKENS | {
    "auth_location",
    "markets",
    "channel_ids",
    "program_ids",
    "approval_status",
    "program_status",
    "feed_set_epi",
    "feed_google_ads",
    "api_url",
    "user_agent",
    "request_timeout",
    "max_retries",
    "max_concurrent_requests",
    "pii",
    "pii_key",
}


@pytest.mark.parametrize(
    ("tokens", "streams"),
    [
        ({"partner_token"}, PARTNER_STREAMS),
        ({"client_token"}, {"channels"}),
        (TOKENS, STREAMS),
        (set(), set()),
    ],
)
def test_a_token_opens_its_own_streams(
    vendor: Adtraction, tokens: set[str], streams: set[str]
) -> None:
    config = settings(vendor, **dict.fromkeys(TOKENS - tokens, ...))
    tap = TapAdtraction(config=config, validate_config=False)
    assert tap.streams.keys() == streams
    if tokens:
        assert matches_truth(vendor, run_here(config), streams=streams)


def test_a_client_s_token_needs_no_markets(vendor: Adtraction) -> None:
    config = settings(vendor, partner_token=..., markets=..., channel_ids=...)
    assert matches_truth(vendor, run_here(config), streams={"channels"})


def test_the_connection_test_skips_products_without_a_channel(
    vendor: Adtraction,
) -> None:
    assert TapAdtraction(config=settings(vendor, channel_ids=...)).run_connection_test()


def test_the_connection_test_names_which_token_is_wrong(vendor: Adtraction) -> None:
    vendor.faults.add(Fault("status", status=401, match="/client/", times=None))
    with pytest.raises(CredentialsError, match=r"Adtraction.* 401.* client_token"):
        TapAdtraction(config=settings(vendor)).run_connection_test()


BAD: list[tuple[dict[str, Any], list[str]]] = [
    ({"partner_token": ..., "client_token": ...}, ["partner_token"]),
    ({"partner_token": "", "client_token": ""}, ["client_token", "partner_token", "partner_token"]),
    ({"markets": ...}, ["markets"]),
    ({"markets": []}, ["markets"]),
    ({"markets": None}, ["markets"]),
    ({"markets": "SE"}, ["markets"]),
    ({"markets": ["SE", "se", "Sweden", "", 46]}, [f"markets[{n}]" for n in (1, 2, 3, 4)]),
    ({"channel_ids": ["114000001"]}, ["channel_ids[0]"]),
    ({"channel_ids": 114000001}, ["channel_ids"]),
    ({"channel_ids": [0]}, ["channel_ids[0]"]),
    ({"program_ids": [1.5]}, ["program_ids[0]"]),
    ({"auth_location": "headers"}, ["auth_location"]),
    ({"approval_status": "approved"}, ["approval_status"]),
    ({"feed_set_epi": "yes"}, ["feed_set_epi"]),
    ({"api_url": "api.adtraction.net"}, ["api_url"]),
    ({"request_timeout": 0}, ["request_timeout"]),
    ({"max_retries": 0, "max_concurrent_requests": 0}, ["max_concurrent_requests", "max_retries"]),
    ({"pii": "hash"}, ["pii_key"]),
]


@pytest.mark.parametrize(("wrong", "named"), BAD)
def test_invalid_settings_are_reported_in_a_line_each(
    vendor: Adtraction, wrong: dict[str, Any], named: list[str]
) -> None:
    with pytest.raises(InvalidSettingsError) as caught:
        TapAdtraction(config=settings(vendor, **wrong))
    assert len(caught.value.faults) == len(named)
    for name, line in zip(named, caught.value.faults, strict=True):
        assert f"'{name}'" in line
        assert "\n" not in line


def test_null_settings_take_their_defaults(vendor: Adtraction) -> None:
    nulls = dict.fromkeys(SETTINGS - TOKENS - {"markets", "channel_ids", "api_url"})
    assert matches_truth(vendor, run_here(settings(vendor, **nulls)))


def test_products_without_channels_end_the_run_before_any_request(vendor: Adtraction) -> None:
    config = settings(vendor, channel_ids=...)
    output = run_here(config, catalog=only(config, *STREAMS))
    assert output.code == 1
    (error,) = output.stderr.splitlines()
    assert "'channel_ids'" in error
    assert "products" in error
    assert vendor.requests == []
