"""The SDK's own suite of tap tests, against the sandbox."""

from __future__ import annotations

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class
from tap_attribution_io.tap import TapAttributionIo

from attribution_elt.sandbox import Sandbox
from tests.taps.tap_attribution_io.helpers import settings

# of most streams nothing is in `_extra`
pytestmark = pytest.mark.filterwarnings("ignore:No records were available")

# the suite looks at the streams while tests are collected, before any fixture is there
_sandbox = Sandbox(seed=7).__enter__()

TestTapAttributionIo = get_tap_test_class(
    TapAttributionIo,
    config=settings(_sandbox.attribution_io),
    suite_config=SuiteConfig(max_records_limit=500),
)
