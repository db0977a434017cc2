"""Conformance of tap-attribution-io."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tap_attribution_io.tap import TapAttributionIo

from attribution_elt.kit.testing import Expectations, conformance
from attribution_elt.sandbox import Sandbox
from attribution_elt.sandbox.attribution_io import AttributionIo
from tests.taps.tap_attribution_io.helpers import expected, settings


def small(sandbox: Sandbox) -> AttributionIo:
    sandbox.attribution_io.customer_count = 26
    return sandbox.attribution_io


def rows(vendor: AttributionIo) -> dict[str, Any]:
    return {stream: found.values() for stream, found in expected(vendor.truth()).items()}


def people(vendor: AttributionIo) -> Iterator[str]:
    for customer in vendor.truth():
        yield from (row["ip_address"] for row in customer["touchpoints"] if row["ip_address"])
        if "@" in customer["client_id"]:
            yield customer["client_id"]


def set_secrets(vendor: AttributionIo, text: str) -> None:
    vendor.public_key, vendor.secret = text, text[::-1]


TestTapAttributionIo = conformance(
    Expectations(
        TapAttributionIo,
        small,
        lambda vendor, _: settings(vendor),
        rows,
        set_secrets,
        personal=people,
    )
)
