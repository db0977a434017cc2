"""The SDK's own suite of tap tests, against the sandbox."""

from __future__ import annotations

from datetime import date

from singer_sdk.testing import SuiteConfig, get_tap_test_class
from tap_adtraction.tap import TapAdtraction

from attribution_elt.sandbox import Sandbox
from tests.taps.tap_adtraction.helpers import settings

# the suite looks at the streams while tests are collected, before any fixture is there
_sandbox = Sandbox(seed=7, today=date(2026, 3, 31)).__enter__()
_sandbox.adtraction.quota.limit = 10_000
_sandbox.adtraction.quota.limits.clear()

TestTapAdtraction = get_tap_test_class(
    TapAdtraction,
    config=settings(_sandbox.adtraction),
    suite_config=SuiteConfig(max_records_limit=100),
)
