"""Opt-outs: the requests that are sent, and the rows of `_writes`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from target_ignite.client import URL_BYTES
from target_ignite.target import TargetIgnite

from attribution_elt.core.pseudonyms import email_key
from attribution_elt.kit.errors import InvalidSettingsError
from attribution_elt.sandbox import Fault, Sandbox
from tests.targets.target_warehouse.warehouses import SQLite, Warehouse
from tests.targets.writing import STATE, Writer, wishes

KEY = "a key of the tests"
STREAM = "opt_outs"


@pytest.fixture
def writer(sandbox: Sandbox, sqlite: SQLite) -> Writer:
    """The target with SQLite, the quickest of the warehouses."""
    return writer_of(sandbox, sqlite)


def writer_of(sandbox: Sandbox, warehouse: Warehouse) -> Writer:
    websites = [{"name": each.name, "token": each.token} for each in sandbox.ignite.websites]
    settings = {
        "websites": websites,
        "pii_key": KEY,
        "api_url": sandbox.ignite.opt_out_url,
        "max_retries": 2,
        "dry_run": False,
    }
    return Writer(TargetIgnite, settings, warehouse)


def site(sandbox: Sandbox) -> str:
    return sandbox.ignite.websites[0].name


def requests(sandbox: Sandbox) -> list[list[str]]:
    """The addresses of each request for opt-outs."""
    values = [
        each.query["emails"][0]
        for each in sandbox.ignite.requests
        if each.path.endswith("/opt_outs/new")
    ]
    return [json.loads(each) if each.startswith("[") else [each] for each in values]


def opted_out(sandbox: Sandbox) -> set[str]:
    return {effect.key for effect in sandbox.ignite.ledger}


def test_addresses_are_reported_once_and_recorded_as_keyed_hashes(
    sandbox: Sandbox, warehouse: Warehouse
) -> None:
    writer = writer_of(sandbox, warehouse)
    website = site(sandbox)
    given = ["Ada@Example.com", " ada@example.com ", "bo@example.com"]
    wanted = wishes(STREAM, [{"email": each, "website": website} for each in given])

    assert writer.run(wanted).states == [STATE]
    assert writer.run(wanted).states == [STATE]

    assert requests(sandbox) == [["ada@example.com", "bo@example.com"]]
    assert writer.outcomes() == {
        f"{website}:{email_key(each, KEY)}": "unchanged"
        for each in ("ada@example.com", "bo@example.com")
    }
    stored = str(warehouse.rows("SELECT * FROM _writes")).lower()
    assert "example.com" not in stored
    assert all("secret" not in each.query for each in sandbox.ignite.requests)


@pytest.mark.parametrize("website", ["*", None])
def test_an_address_without_a_website_is_reported_to_all(
    website: str | None, sandbox: Sandbox, writer: Writer
) -> None:
    assert writer.run(wishes(STREAM, [{"email": "a@b.example", "website": website}])).error is None
    assert opted_out(sandbox) == {f"{each.name} a@b.example" for each in sandbox.ignite.websites}


def test_a_dry_run_logs_counts_only(
    sandbox: Sandbox, writer: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    run = writer.run(
        wishes(STREAM, [{"email": "a@b.example", "website": site(sandbox)}]), dry_run=None
    )

    assert run.error is None
    assert run.states == []
    assert requests(sandbox) == []
    assert f"website {site(sandbox)}: new opt-outs: 1" in caplog.text
    assert "a@b.example" not in caplog.text


def test_every_request_fits_into_a_url(sandbox: Sandbox, writer: Writer) -> None:
    sandbox.ignite.longest_url = URL_BYTES
    addresses = [f"{number:02}".ljust(48, "x") + "@example.com" for number in range(100)]
    assert {len(each) for each in addresses} == {60}

    run = writer.run(
        wishes(STREAM, [{"email": each, "website": site(sandbox)} for each in addresses])
    )

    assert run.error is None
    sent = [each for batch in requests(sandbox) for each in batch]
    assert sorted(sent) == addresses  # each once, so no request was refused for its length
    assert all(len(batch) <= 40 for batch in requests(sandbox))


@pytest.mark.parametrize("position", [0, 1, 19, 20, 33, 38, 39])
def test_a_refused_address_is_found_and_the_others_are_accepted(
    position: int, sandbox: Sandbox, writer: Writer
) -> None:
    addresses = [f"p{number}@b.example" for number in range(40)]
    sandbox.ignite.refused_emails = {addresses[position]}

    run = writer.run(
        wishes(STREAM, [{"email": each, "website": site(sandbox)} for each in addresses])
    )

    assert str(run.error) == "1 of 40 requested changes failed"
    assert len(requests(sandbox)) <= 12
    outcomes = writer.outcomes()
    refused = f"{site(sandbox)}:{email_key(addresses[position], KEY)}"
    assert {key for key, outcome in outcomes.items() if outcome != "accepted"} == {refused}
    assert outcomes[refused] == "refused"
    assert len(opted_out(sandbox)) == 39
    assert writer.warehouse.rows('SELECT MIN("attempt") FROM _writes') == [(1,)]


@pytest.mark.parametrize(
    "email",
    [
        "d41d8cd98f00b204e9800998ecf8427e",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "",
        "  ",
        None,
        7,
        "no address",
        "a@b",
        "a b@c.example",
        "a@b.example,c@d.example",
        '["a@b.example"]',
        "x" * 250 + "@b.example",
    ],
)
def test_a_text_that_is_not_an_address_is_not_sent(
    email: Any, sandbox: Sandbox, writer: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    run = writer.run(wishes(STREAM, [{"email": email, "website": site(sandbox)}]))

    assert run.error is not None
    assert requests(sandbox) == []
    assert list(writer.outcomes().values()) == ["invalid"]
    assert "record 1: invalid: email" in caplog.text


def test_an_unknown_website_is_named(sandbox: Sandbox, writer: Writer) -> None:
    assert writer.run(wishes(STREAM, [{"email": "a@b.example", "website": "no"}])).error is not None
    assert list(writer.outcomes().values()) == ["unknown"]
    assert requests(sandbox) == []


def test_more_opt_outs_than_allowed_send_nothing(sandbox: Sandbox, writer: Writer) -> None:
    records = [{"email": f"p{number}@b.example", "website": site(sandbox)} for number in range(3)]

    assert writer.run(wishes(STREAM, records), max_new=2).error is not None
    assert requests(sandbox) == []
    assert set(writer.outcomes().values()) == {"over_limit"}


def test_an_accepted_opt_out_is_sent_again_after_the_days_set(
    sandbox: Sandbox, writer: Writer
) -> None:
    wanted = wishes(STREAM, [{"email": "a@b.example", "website": site(sandbox)}])
    writer.run(wanted)
    writer.run(wanted, resend_after_days=1)
    assert len(requests(sandbox)) == 1
    assert isinstance(writer.warehouse, SQLite)
    with writer.warehouse.connected() as connection:
        connection.execute("UPDATE _writes SET \"at\" = '2020-01-01 00:00:00+00:00'")
        connection.commit()
    writer.run(wanted, resend_after_days=1)
    assert len(requests(sandbox)) == 2


@pytest.mark.parametrize(
    "body",
    [
        "[]",
        '{"success": false}',
        '{"error": "no"}',
        '{"status": "error"}',
        '{"status": 400}',
        '{"message": "unknown token"}',
        '{"success": true, "errors": ["a@b.example"]}',
    ],
)
def test_a_response_that_is_not_the_documented_one_is_never_accepted(
    body: str, sandbox: Sandbox, writer: Writer
) -> None:
    sandbox.ignite.faults.add(Fault("status", times=None, status=200, body=body))

    assert writer.run(wishes(STREAM, [{"email": "a@b.example"}])).error is not None
    assert set(writer.outcomes().values()) == {"refused"}
    # the vendor did not answer with 400
    assert writer.warehouse.rows('SELECT DISTINCT "http_status" FROM _writes') == [(None,)]


@pytest.mark.parametrize("body", ['{"status": "ok", "count": 1}', '{"error": null}'])
def test_a_response_that_reports_success_is_accepted(
    body: str, sandbox: Sandbox, writer: Writer
) -> None:
    sandbox.ignite.faults.add(Fault("status", times=None, status=200, body=body))

    assert writer.run(wishes(STREAM, [{"email": "a@b.example"}])).error is None
    assert set(writer.outcomes().values()) == {"accepted"}


def test_no_address_or_token_is_in_the_output(sandbox: Sandbox, writer: Writer) -> None:
    sandbox.ignite.refused_emails = {"refused@b.example"}
    sandbox.ignite.faults.add(Fault("status", status=500, body='{"message": "good@b.example"}'))
    records = [{"email": "refused@b.example"}, {"email": "good@b.example"}, {"email": "wrong@b"}]

    done = writer.execute(wishes(STREAM, records))

    assert done.returncode == 1
    for private in ("refused@", "good@", "wrong@", *(s.token for s in sandbox.ignite.websites)):
        assert private not in done.stdout + done.stderr


def test_a_secret_in_the_settings_is_refused(writer: Writer) -> None:
    websites = [{"name": "a", "token": "t", "secret": "s"}]
    with pytest.raises(InvalidSettingsError, match="websites"):
        TargetIgnite(config={**writer.settings, "websites": websites})
    with pytest.raises(InvalidSettingsError, match="pii_key"):
        TargetIgnite(config={**writer.settings, "pii_key": "short"})
