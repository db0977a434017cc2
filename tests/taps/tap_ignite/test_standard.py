"""The SDK's own suite of tap tests, against the sandbox."""

from __future__ import annotations

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class
from tap_ignite.tap import TapIgnite

from attribution_elt.sandbox import Sandbox
from tests.taps.tap_ignite.helpers import settings

# of most streams nothing is in `_extra`
pytestmark = pytest.mark.filterwarnings("ignore:No records were available")

# the suite looks at the streams while tests are collected, before any fixture is there
_sandbox = Sandbox(seed=7).__enter__()

TestTapIgnite = get_tap_test_class(
    TapIgnite, config=settings(_sandbox), suite_config=SuiteConfig(max_records_limit=500)
)
