"""The SDK's own suite of tap tests, against the sandbox."""

from __future__ import annotations

from datetime import date

from singer_sdk.testing import SuiteConfig, get_tap_test_class
from tap_ecdp.tap import TapEcdp

from attribution_elt.sandbox import Sandbox
from tests.taps.tap_ecdp.helpers import settings

# the suite looks at the streams while tests are collected, before any fixture is there
_sandbox = Sandbox(seed=7, today=date(2026, 3, 31)).__enter__()

TestTapEcdp = get_tap_test_class(
    TapEcdp, config=settings(_sandbox), suite_config=SuiteConfig(max_records_limit=500)
)
