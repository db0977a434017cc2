from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from tap_adtraction.tap import TapAdtraction
from tap_attribution_io.tap import TapAttributionIo
from tap_ecdp.tap import TapEcdp
from tap_ignite.tap import TapIgnite

from attribution_elt.core import events
from attribution_elt.kit import progress
from attribution_elt.sandbox import Sandbox
from attribution_elt.sandbox.faults import Fault
from tests.pipeline.meltano import settings
from tests.tap_process import run

STRUCTURED = {
    "version": 1,
    "formatters": {"default": {"()": "singer_sdk.logging.StructuredFormatter"}},
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "default",
            "stream": "ext://sys.stderr",
        }
    },
    "root": {"level": "INFO", "handlers": ["console"]},
}
"""The logging configuration that Meltano gives to plugins."""


@pytest.fixture(autouse=True)
def structured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "logging.json"
    path.write_text(json.dumps(STRUCTURED))
    monkeypatch.setenv("SINGER_SDK_LOG_CONFIG", str(path))


def told(folder: Path, sandbox: Sandbox, tap: str, **changes: Any) -> list[dict[str, Any]]:
    """Return the events that a run logs."""
    output = run(folder, tap, config={**settings(sandbox)[tap], **changes})
    records = [json.loads(line) for line in output.stderr.splitlines()]
    return [each["extra"] for each in records if events.FIELD in each["extra"]]


@pytest.mark.parametrize("tap", [TapEcdp, TapAdtraction, TapIgnite, TapAttributionIo])
def test_the_last_progress_event_counts_all_units(
    sandbox: Sandbox, tmp_path: Path, tap: Any
) -> None:
    found = told(tmp_path, sandbox, tap.name)
    walks = [each for each in found if each["elt_event"] == "progress"]
    streams = [name for walk in walks for name in walk["streams"]]
    assert set(streams) == {stream.name for stream in tap.stream_types}
    assert all(walk["units_done"] == walk["units_total"] for walk in walks)
    assert sum(walk["units_total"] for walk in walks) == len(
        sandbox.vendors[tap.name.removeprefix("tap-")].requests
    )


def test_a_unit_that_failed_names_the_streams_that_lack_it(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.adtraction.faults.add(Fault("status", status=404, match="products/feed"))
    found = told(tmp_path, sandbox, "tap-adtraction")
    (failed,) = [each for each in found if each["elt_event"] == "unit_failed"]
    assert failed["streams"] == ["products"]
    assert failed["status"] == 404


def test_the_error_that_ends_a_run_is_logged(sandbox: Sandbox, tmp_path: Path) -> None:
    assert told(tmp_path, sandbox, "tap-ecdp", api_key="wrong") == [{"elt_event": "run_failed"}]
    found = told(tmp_path, sandbox, "tap-ecdp", start_date="soon", window_days=0)
    assert found == [{"elt_event": "run_failed"}] * 2


def test_drift_is_logged_with_its_stream(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.ecdp.extra = {"loyaltyTier": "gold"}
    found = told(tmp_path, sandbox, "tap-ecdp")
    assert {"elt_event": "drift", "stream": "attributed_orders"} in found


def test_lost_days_are_logged_as_an_event(sandbox: Sandbox, tmp_path: Path) -> None:
    found = told(tmp_path, sandbox, "tap-ignite", start_date="2020-01-01")
    assert {"elt_event": "days_lost"} in found


def test_a_wait_for_quota_is_logged_with_its_end(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.adtraction.quota.limit = 3
    sandbox.adtraction.quota.window = 2.5
    found = told(tmp_path, sandbox, "tap-adtraction")
    waits = [each for each in found if each["elt_event"] == "waiting"]
    assert waits
    assert all(each["until"].endswith("+00:00") for each in waits)


def test_progress_is_logged_at_intervals(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(progress, "PROGRESS_EVERY", 0)
    tap = TapEcdp(config=settings(sandbox)["tap-ecdp"])
    tap.sync_all()
    (total,) = {each.units_total for each in caplog.records if hasattr(each, "units_total")}
    done = [each.units_done for each in caplog.records if hasattr(each, "units_done")]
    assert done == [*range(1, total + 1), total]
