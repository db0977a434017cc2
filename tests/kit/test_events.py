from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tap_adtraction.tap import TapAdtraction
from tap_attribution_io.tap import TapAttributionIo
from tap_ecdp.tap import TapEcdp
from tap_ignite.tap import TapIgnite

from attribution_elt.core import events
from attribution_elt.kit import reader
from attribution_elt.kit.tap import VendorTap
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


def logged_by_process(
    folder: Path, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox, tap: str, **changes: Any
) -> list[dict[str, Any]]:
    """Return the events that a process logs with Meltano's configuration of the log."""
    path = folder / "logging.json"
    path.write_text(json.dumps(STRUCTURED))
    monkeypatch.setenv("SINGER_SDK_LOG_CONFIG", str(path))
    output = run(folder, tap, config={**settings(sandbox)[tap], **changes})
    records = [json.loads(line) for line in output.stderr.splitlines()]
    return [each["extra"] for each in records if events.FIELD in each["extra"]]


@pytest.fixture
def logged(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> Callable[..., list[Any]]:
    """Return a function that runs a tap here and returns its events of a kind."""
    sandbox.ecdp.orders_per_day = 2
    sandbox.attribution_io.customer_count = 5
    sandbox.ignite.sizes.audiences = sandbox.ignite.sizes.locations = 3

    def found(tap: type[VendorTap], kind: str, **changes: Any) -> list[Any]:
        caplog.set_level(logging.INFO)
        tap(config={**settings(sandbox)[tap.name], **changes}).sync_all()
        return [each for each in caplog.records if getattr(each, events.FIELD, None) == kind]

    return found


@pytest.mark.parametrize("tap", [TapEcdp, TapAdtraction, TapIgnite, TapAttributionIo])
def test_the_last_progress_event_counts_all_units(
    sandbox: Sandbox,
    logged: Callable[..., list[Any]],
    monkeypatch: pytest.MonkeyPatch,
    tap: Any,
) -> None:
    monkeypatch.setattr(reader, "PROGRESS_EVERY", 1e6)
    found = logged(tap, "progress")
    assert {name for each in found for name in each.streams} == {
        stream.name for stream in tap.stream_types
    }
    assert all(each.units_done == each.units_total for each in found)
    assert sum(each.units_total for each in found) == len(
        sandbox.vendors[tap.name.removeprefix("tap-")].requests
    )


def test_a_failed_unit_names_the_streams_without_its_rows(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.adtraction.faults.add(Fault("status", status=404, match="products/feed"))
    found = logged_by_process(tmp_path, monkeypatch, sandbox, "tap-adtraction")
    (failed,) = [each for each in found if each["elt_event"] == "unit_failed"]
    assert failed["streams"] == ["products"]
    assert failed["status"] == 404
    assert [each["streams"] for each in found if each["elt_event"] == "progress"]


def test_the_error_that_ends_a_run_is_logged(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for count, changes in (
        (1, {"api_key": "wrong"}),
        (2, {"start_date": "soon", "window_days": 0}),
    ):
        found = logged_by_process(tmp_path, monkeypatch, sandbox, "tap-ecdp", **changes)
        assert found == [{"elt_event": "run_failed"}] * count


def test_drift_is_logged_with_its_stream(
    sandbox: Sandbox, logged: Callable[..., list[Any]]
) -> None:
    sandbox.ecdp.extra = {"loyaltyTier": "gold"}
    assert "attributed_orders" in [each.stream for each in logged(TapEcdp, "drift")]


def test_lost_days_are_logged_as_an_event(logged: Callable[..., list[Any]]) -> None:
    assert logged(TapIgnite, "days_lost", start_date="2020-01-01")


def test_a_wait_for_quota_is_logged_with_its_end(
    sandbox: Sandbox, logged: Callable[..., list[Any]]
) -> None:
    sandbox.adtraction.quota.limit = 3
    sandbox.adtraction.quota.window = 2.5
    waits = logged(TapAdtraction, "waiting")
    assert waits
    assert all(each.until.endswith("+00:00") for each in waits)


def test_progress_is_logged_at_intervals(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(reader, "PROGRESS_EVERY", 0)
    tap = TapEcdp(config=settings(sandbox)["tap-ecdp"])
    tap.sync_all()
    (total,) = {each.units_total for each in caplog.records if hasattr(each, "units_total")}
    done = [each.units_done for each in caplog.records if hasattr(each, "units_done")]
    assert done == [*range(1, total + 1), total]
