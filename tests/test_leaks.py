"""The search for leaks finds secrets."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import pytest

from tests import leaks

SECRETS = ["s3cr3t-key", "p@ss w/rd+&=%", 'quo"te\\back', "zażółć"]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("before", ["", "u", "us", "user:"])
def test_a_secret_is_found_however_it_is_spelt(secret: str, before: str) -> None:
    raw = f"{before}{secret}, and more".encode()
    for encoded in (
        f"{before}{secret}",
        *(quote(secret, safe=""), quote_plus(secret), quote(secret, safe="").lower()),
        urlencode({"key": secret}),
        *(json.dumps({"key": secret}), repr({"key": secret}), repr(secret.encode())),
        *(base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()),
        f"{secret[:3]}\n{secret[3:]}",
    ):
        assert leaks.found(f"so it is: {encoded} and so on", [secret]), encoded
    assert not leaks.found("so it is, and so on", [secret])


@pytest.mark.parametrize(
    ("settings", "secrets"),
    [
        ({"api_key": "opens it", "start_date": "2026-01-01"}, {"opens it"}),
        ({"config": {"websites": [{"name": "a", "token": "t1", "secret": "s1"}]}}, {"t1", "s1"}),
        ({"url": "postgresql://user:pa%20ss@host/db"}, {"pa%20ss", "pa ss"}),
        ({"url": "duckdb:///warehouse.duckdb"}, set()),
    ],
)
def test_the_secrets_of_settings_are_known(settings: Any, secrets: set[str]) -> None:
    assert set(leaks.of_settings(settings)) == secrets


def test_a_test_fails_if_its_output_shows_credentials_of_the_sandbox() -> None:
    leaks.guard(b"nothing", "nothing", settings={"api_key": "opens it"})
    with pytest.raises(AssertionError, match="a secret leaks"):
        leaks.guard("asking with sandbox-partner-token")
    with pytest.raises(AssertionError, match="a secret leaks"):
        leaks.guard(b"asking with opens+it", settings={"api_key": "opens it"})
