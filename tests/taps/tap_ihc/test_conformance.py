"""Conformance of tap-ihc."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tap_ihc.tap import TapIhc

from attribution_elt.kit.testing import Expectations, conformance
from attribution_elt.sandbox import Sandbox
from attribution_elt.sandbox.ihc import Ihc
from tests.taps.tap_ihc.helpers import expected, file_of, settings, short

BAD = short(1)


def small(sandbox: Sandbox) -> Ihc:
    sandbox.ihc.journey_count = 20
    return sandbox.ihc


def settings_of(vendor: Ihc, folder: Path) -> dict[str, Any]:
    rows = [{**BAD[0], "holder_engagement": 2}, *BAD[1:], *vendor.sessions()]
    path = file_of(folder / "journeys.jsonl", rows)
    return settings(vendor, path, max_journeys_per_request=2)


def rows(vendor: Ihc) -> dict[str, Any]:
    failure = {
        "conv_type_id": vendor.conv_type_id,
        "conversion_id": BAD[0]["conversion_id"],
        "session_id": BAD[0]["session_id"],
        "conversion_timestamp": None,
        "reason": "holder_engagement is 2, not 0 or 1",
    }
    return {"attributions": expected(vendor, vendor.sessions()).values(), "failures": [failure]}


def set_secrets(vendor: Ihc, text: str) -> None:
    vendor.api_key = text


TestTapIhc = conformance(
    Expectations(
        TapIhc,
        small,
        settings_of,
        rows,
        set_secrets,
        has_rereads=False,
        volatile=("computed_at", "parameters"),
        tolerated=("1 journeys cannot be valid",),
    )
)
