"""Checks of the targets that write to a vendor, and of tap-query."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
from tap_query.tap import TapQuery
from target_adtraction.target import TargetAdtraction
from target_ignite.target import TargetIgnite

from attribution_elt.checks.accounts import Kept, probes
from attribution_elt.checks.writers import finding
from attribution_elt.kit.writing.target import WritingTarget
from attribution_elt.meltano.project import Extractor, Writer
from attribution_elt.sandbox import Sandbox

PII_KEY = "a key of the tests"


def adtraction(sandbox: Sandbox, folder: Path, **changes: Any) -> Writer:
    given = {
        "client_token": sandbox.adtraction.client_token,
        "api_url": sandbox.adtraction.url,
        "outcomes_url": f"duckdb:///{folder}/w.duckdb",
        **changes,
    }
    return Writer(TargetAdtraction.name, TargetAdtraction, given)


def test_an_account_that_writes_is_only_read(sandbox: Sandbox, tmp_path: Path) -> None:
    found = finding(adtraction(sandbox, tmp_path))
    assert found.problems == []
    assert found.facts[0].startswith("credentials are valid; ")
    assert found.facts[1] == "dry run: it sends nothing"
    assert [each.method for each in sandbox.adtraction.requests] == ["POST"]
    assert list(tmp_path.iterdir()) == []


def test_a_target_without_dry_run_is_named(sandbox: Sandbox, tmp_path: Path) -> None:
    assert (
        "dry_run is false: it writes" in finding(adtraction(sandbox, tmp_path, dry_run=False)).facts
    )


def test_missing_settings_of_a_target_are_a_problem(sandbox: Sandbox, tmp_path: Path) -> None:
    refused = finding(adtraction(sandbox, tmp_path, client_token="expired"))
    assert "check the setting client_token" in refused.problems[0]
    invalid = finding(adtraction(sandbox, tmp_path, max_changes=-1))
    assert "max_changes" in invalid.problems[0]
    away = finding(adtraction(sandbox, tmp_path, outcomes_url="postgresql://u@127.0.0.1:9/w"))
    assert away.problems[0].startswith("outcomes: postgresql w on 127.0.0.1:9 cannot be reached")


def test_opt_outs_are_checked_without_a_request(sandbox: Sandbox, tmp_path: Path) -> None:
    (website, *_) = sandbox.ignite.websites
    given = {
        "websites": [{"name": website.name, "token": website.token}],
        "pii_key": PII_KEY,
        "api_url": sandbox.ignite.opt_out_url,
        "outcomes_url": f"duckdb:///{tmp_path}/w.duckdb",
    }
    found = finding(Writer(TargetIgnite.name, TargetIgnite, given))
    assert found.problems == []
    assert "no request sent" in found.facts[0]
    assert sandbox.ignite.requests == []


def test_plugins_without_credentials_are_not_checked() -> None:
    def configured(kind: type[WritingTarget], **settings: Any) -> bool:
        return Writer(kind.name, kind, settings).configured

    assert not configured(TargetAdtraction, dry_run=True, client_token="")
    assert not configured(TargetIgnite, websites=[{"name": "shop", "token": ""}])
    assert configured(TargetIgnite, websites=[{"name": "shop", "token": "t"}])
    url = "duckdb:///w.duckdb"
    assert not Extractor("tap-query", TapQuery, "tap_query", {"url": url}).configured
    streams = [{"name": "s", "query": "SELECT 1"}]
    used = Extractor("tap-query", TapQuery, "tap_query", {"url": url, "streams": streams})
    assert used.configured


def test_each_query_is_run(tmp_path: Path) -> None:
    def check(query: str) -> tuple[list[str], list[str]]:
        streams = [{"name": "status", "query": query}]
        given = {"url": f"duckdb:///{tmp_path}/w.duckdb", "streams": streams}
        (probe,) = probes(Extractor("tap-query", TapQuery, "tap_query", given), Kept())
        return probe.finding.facts, probe.finding.problems

    _, problems = check("SELECT 1 AS channel_id")
    assert problems == [f"stream 'status': the database {tmp_path}/w.duckdb does not exist"]
    assert list(tmp_path.iterdir()) == []
    duckdb.connect(tmp_path / "w.duckdb").close()
    assert check("SELECT 1 AS channel_id") == (["queries work: status (channel_id)"], [])
    facts, problems = check("SELECT * FROM reviewed")
    assert facts == []
    assert "reviewed" in problems[0]
