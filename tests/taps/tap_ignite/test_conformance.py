"""Conformance of tap-ignite."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from tap_ignite.tap import TapIgnite

from attribution_elt.kit.testing import Expectations, conformance
from attribution_elt.sandbox import Sandbox
from attribution_elt.sandbox.ignite import Ignite
from tests.taps.tap_ignite.helpers import KEYS, SALES, expected, settings_of, shrink


def small(sandbox: Sandbox) -> Ignite:
    shrink(sandbox)
    return sandbox.ignite


def rows(vendor: Ignite) -> dict[str, Any]:
    since = vendor.clock.today - timedelta(30)
    found: dict[str, list[Any]] = {stream: [] for stream in KEYS}
    for site in vendor.websites:
        for stream, each in expected(site, since).items():
            found[stream] += each.values()
        for stream in SALES:
            found[stream] += [
                {"website": site.name, "_extra": sale} for sale in site.sales()[stream]
            ]
    return found


def people(vendor: Ignite) -> Iterator[str]:
    since = vendor.clock.today - timedelta(30)
    for site in vendor.websites:
        for row in site.locations(since):
            yield from filter(None, (row["resident"], row["street"]))


def set_secrets(vendor: Ignite, text: str) -> None:
    for number, site in enumerate(vendor.websites):
        site.token, site.secret = f"{text}{number}", f"{number}{text}"


TestTapIgnite = conformance(
    Expectations(
        TapIgnite,
        small,
        lambda vendor, _: settings_of(vendor),
        rows,
        set_secrets,
        personal=people,
        volatile=("sale_key",),
        today=None,  # the tap's own clock decides which days a window has
    )
)
