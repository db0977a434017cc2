"""Conformance of tap-ecdp."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from tap_ecdp.tap import TapEcdp

from attribution_elt.kit.testing import Expectations, conformance
from attribution_elt.sandbox import Sandbox
from attribution_elt.sandbox.ecdp import Ecdp
from tests.taps.tap_ecdp.helpers import (
    LINES,
    ORDERS,
    expected_lines,
    expected_orders,
    settings_of,
    shrink,
)


def rows(vendor: Ecdp) -> dict[str, Any]:
    truth = vendor.truth()
    return {ORDERS: expected_orders(truth).values(), LINES: expected_lines(truth).values()}


def people(vendor: Ecdp) -> Iterator[str]:
    for order in vendor.truth():
        yield from filter(None, (order["customer"]["email"], order["customer"]["phone"]))


def small(sandbox: Sandbox) -> Ecdp:
    shrink(sandbox)
    return sandbox.ecdp


def set_secrets(vendor: Ecdp, text: str) -> None:
    vendor.api_key = text


def reread(vendor: Ecdp) -> dict[str, Any]:
    """Settings that read every day again; the first day is not claimed, so it has no orders."""
    return {"start_date": str(vendor.first_day - timedelta(1)), "lookback_days": 1000}


TestTapEcdp = conformance(
    Expectations(
        TapEcdp,
        small,
        lambda vendor, _: settings_of(vendor),
        rows,
        set_secrets,
        personal=people,
        reread=reread,
    )
)
