"""Conformance of tap-adtraction."""

from __future__ import annotations

from tap_adtraction.tap import TapAdtraction

from attribution_elt.kit.testing import Expectations, conformance
from attribution_elt.sandbox.adtraction import Adtraction
from tests.taps.tap_adtraction.helpers import expected, settings, small


def set_secrets(vendor: Adtraction, text: str) -> None:
    vendor.partner_token, vendor.client_token = text, text[::-1]


TestTapAdtraction = conformance(
    Expectations(
        TapAdtraction,
        small,
        lambda vendor, _: settings(vendor),
        expected,
        set_secrets,
        personal=lambda vendor: (row["affiliateName"] for row in vendor.truth()["channels"]),
        tolerated=("'brand_category_image'", "'application_date'"),
    )
)
