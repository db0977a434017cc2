"""No token and no traceback is shown, however a run fails and wherever tokens are sent."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

from attribution_elt.kit.testing.spellings import spellings
from attribution_elt.sandbox import Fault
from attribution_elt.sandbox.adtraction import Adtraction
from tests.tap_process import Output
from tests.taps.tap_adtraction.helpers import all_bookmarks, feed_requests, run, run_here, settings

PARTNER = "p4rtner+tok en/with=all&of%it?"
CLIENT = "cl1ent#tok;en:with\"all\\of'it"
SPELT = (PARTNER, quote(PARTNER, safe=""))

FEED_FAULTS = [
    Fault("status", status=404, body=json.dumps({"message": f"no feed for {SPELT[0]}"})),
    Fault("status", status=400, body=f"not with token={SPELT[1]}"),
    Fault("status", status=429, body=PARTNER, retry_after=0.1),
    Fault("status", status=500, body=json.dumps({"token": PARTNER})),
    Fault("status", status=200, body=json.dumps({"status": 500, "message": PARTNER})),
    Fault("status", status=302),
    Fault("reset"),
    Fault("close"),
    Fault("truncate"),
    Fault("html", body=f"<html>{SPELT[1]}</html>"),
    Fault("invalid_json"),
    Fault("slow", delay=0.8),
]


def debug(vendor: Adtraction, folder: Path, location: str) -> Output:
    """Run at the debug level, with tokens that every encoding changes."""
    vendor.partner_token, vendor.client_token = PARTNER, CLIENT
    config = settings(
        vendor,
        auth_location=location,
        max_retries=2,
        request_timeout=0.5,
        pii_key="h4sh key, 16 long",
    )
    return run(folder, config, level="DEBUG")


def keeps_its_secrets(output: Output) -> bool:
    said = output.stdout.decode() + output.stderr
    for secret in (PARTNER, CLIENT, "h4sh key, 16 long"):
        for spelling in spellings(secret):
            assert spelling not in said
    for sign in ("Traceback", 'File "', "http://"):
        assert sign not in output.stderr
    return True


@pytest.mark.parametrize("location", ["header", "query"])
def test_feeds_that_fail_in_every_way(vendor: Adtraction, tmp_path: Path, location: str) -> None:
    vendor.markets = ("SE", "NO", "DE")
    feeds = sorted({name.split(":")[2] for name in all_bookmarks(vendor)})
    channel = vendor.channel_ids[0]
    for feed, fault in zip(feeds, FEED_FAULTS, strict=True):
        vendor.faults.add(replace(fault, times=None, match=feed_requests(int(feed), channel)))
    output = debug(vendor, tmp_path, location)
    assert keeps_its_secrets(output)
    assert output.code == 1
    assert len(output.errors) == len(FEED_FAULTS)
    assert all("Adtraction, feed " in line for line in output.errors)
    assert output.records("channels")


@pytest.mark.parametrize(
    ("location", "partner", "client"), [("header", 401, 403), ("query", 403, 500)]
)
def test_tokens_that_are_refused(
    vendor: Adtraction, tmp_path: Path, location: str, partner: int, client: int
) -> None:
    for path, status, token in (("partner", partner, PARTNER), ("client", client, CLIENT)):
        body = json.dumps({"message": f"Unauthorized: {token}", "status": status})
        match = f"/{path}/"
        vendor.faults.add(Fault("status", status=status, body=body, times=None, match=match))
    output = debug(vendor, tmp_path, location)
    assert keeps_its_secrets(output)
    assert output.code == 1
    refused = f"answered {partner}: check the setting partner_token"
    assert len([line for line in output.errors if refused in line]) == 1
    assert len([line for line in output.errors if f"channels: answered {client}" in line]) == 1
    assert len(output.errors) == 2


@pytest.mark.parametrize("status", [400, 200])
@pytest.mark.parametrize("room", range(170, 200, 5))
def test_a_message_that_is_cut_short_does_not_show_half_a_token(
    vendor: Adtraction, status: int, room: int
) -> None:
    vendor.partner_token = PARTNER
    body = json.dumps({"status": 400, "message": "x" * room + PARTNER})
    vendor.faults.add(Fault("status", status=status, body=body, match="/programs/"))
    output = run_here(settings(vendor, client_token=..., markets=["SE"]))
    (line,) = output.stderr.splitlines()
    assert "answered 400: xxx" in line
    assert PARTNER[:3] not in line
