"""The SDK's own suite of tap tests, against the sandbox."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class
from tap_ihc.tap import TapIhc

from attribution_elt.sandbox import Sandbox
from tests.taps.tap_ihc.helpers import file_of, settings, short

# nothing is in `_extra`, and a session without fault has no reason
pytestmark = pytest.mark.filterwarnings("ignore:No records were available")

# the suite looks at the streams while tests are collected, before any fixture is there
_sandbox = Sandbox(seed=7).__enter__()
_rows = short(20)
_rows[0] = {**_rows[0], "holder_engagement": 2}
_path = file_of(Path(tempfile.mkdtemp()) / "journeys.jsonl", _rows)

TestTapIhc = get_tap_test_class(
    TapIhc,
    config=settings(_sandbox.ihc, _path),
    suite_config=SuiteConfig(max_records_limit=500),
)
