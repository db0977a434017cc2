"""The console script, as a user and as Meltano run it."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from tap_ignite.tap import TapIgnite

from attribution_elt.kit.errors import InvalidSettingsError
from attribution_elt.sandbox import Sandbox
from tests.taps.tap_ignite.helpers import KEYS, days_ago, holds, marks, requests, run, settings

ACCOUNT = {"token": "t", "secret": "s"}
COMMON = {
    "api_url",
    "user_agent",
    "request_timeout",
    "max_retries",
    "max_concurrent_requests",
    "pii",
    "pii_key",
}


def test_what_discovery_tells_can_be_run(today: Sandbox, tmp_path: Path) -> None:
    config = settings(today)
    discovered = run(tmp_path, "--discover", config=config)
    document = json.loads(discovered.stdout)
    found = {entry["tap_stream_id"]: entry for entry in document["streams"]}
    assert {name: tuple(entry["key_properties"]) for name, entry in found.items()} == KEYS
    assert requests(today) == []
    output = run(tmp_path, config=config, catalog=document)
    assert (output.code, output.errors, output.warnings) == (0, [], [])
    assert all(holds(output, site, days_ago(today, 30)) for site in today.ignite.websites)
    again = run(tmp_path, config=config, catalog=document, state=output.states[-1])
    assert again.code == 0
    assert marks(again.states[-1], "sales") == marks(output.states[-1], "sales")
    assert {request.query["date"][0] for request in requests(today)[-1:]} <= {
        str(days_ago(today, 1))
    }


def test_the_connection_test(today: Sandbox, tmp_path: Path) -> None:
    output = run(tmp_path, "--test", config=settings(today))
    assert output.code == 0
    assert {len(output.records(name)) for name in KEYS} == {1}
    wrong = settings(today)
    wrong["websites"][0]["secret"] = "wrong"
    output = run(tmp_path, "--test", config=wrong)
    assert output.code == 1
    (error,) = output.errors
    assert all(word in error for word in ("Ignite", "website_1", "401", "websites"))


def test_version_and_about(tmp_path: Path) -> None:
    told = run(tmp_path, "--version")
    assert f"tap-ignite v{version('attribution-elt')}," in told.stdout.decode() + told.stderr
    about = json.loads(run(tmp_path, "--about", "--format=json").stdout)
    known = about["settings"]["properties"]
    own = {"websites", "start_date", "lookback_days", "hash_algorithms"}
    assert own | COMMON <= set(known)
    assert about["settings"]["required"] == ["websites"]
    assert {name for name, each in known.items() if each.get("secret")} == {"websites", "pii_key"}
    assert known["lookback_days"]["default"] == 1
    assert known["hash_algorithms"]["default"] == ["md5"]
    assert known["api_url"]["default"] == "https://e.atrc.link/api"


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, ["'websites' is missing"]),
        ({"websites": []}, ["'websites'"]),
        ({"websites": [{"token": "t"}]}, ["'websites[0].secret' is missing"]),
        ({"websites": [{**ACCOUNT, "token": ""}]}, ["'websites[0].token'"]),
        ({"websites": [ACCOUNT, {**ACCOUNT, "name": "website_1"}]}, ["'website_1'"]),
        ({"websites": [{**ACCOUNT, "name": "a"}] * 2}, ["'websites': 2 of them are called 'a'"]),
        ({"websites": [ACCOUNT], "hash_algorithms": []}, ["'hash_algorithms'"]),
        ({"websites": [ACCOUNT], "hash_algorithms": ["sha256"]}, ["'hash_algorithms[0]'"]),
        ({"websites": [ACCOUNT], "start_date": "2026-02-30"}, ["'start_date'"]),
        (
            {"websites": [ACCOUNT], "lookback_days": -1, "pii": "hash"},
            ["'lookback_days'", "'pii_key'"],
        ),
    ],
)
def test_settings_that_cannot_work_are_a_line_each(
    config: dict[str, Any], expected: list[str]
) -> None:
    with pytest.raises(InvalidSettingsError) as raised:
        TapIgnite(config=config)
    assert len(raised.value.faults) == len(expected)
    assert all(any(words in line for line in raised.value.faults) for words in expected)


def test_faults_end_the_run_before_any_request(today: Sandbox, tmp_path: Path) -> None:
    output = run(tmp_path, config=settings(today, lookback_days=-1, hash_algorithms=["crc"]))
    assert (output.code, output.stdout, len(output.errors)) == (1, b"", 2)
    assert "Traceback" not in output.stderr
    assert requests(today) == []
