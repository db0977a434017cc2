from __future__ import annotations

import json
from contextlib import closing
from typing import Any

import pytest
from target_warehouse.warehouses.registry import connect

from attribution_elt.cli.display import Lines
from attribution_elt.core.events import RUN_ID
from attribution_elt.meltano.failures import ELSEWHERE, record_failures
from attribution_elt.meltano.outcome import Outcome
from attribution_elt.meltano.project import Loader, Project
from attribution_elt.meltano.run_log import RunLog
from tests.meltano.test_run_log import line
from tests.targets.target_warehouse.warehouses import Warehouse, record, schema

HOSTILE = "bad date \\', message = (SELECT 'stolen'), complete = 1 # ' \\"


class FakeProject(Project):
    """A project with one account and one warehouse."""

    load_schemas: dict[str, str] = {  # noqa: RUF012 - a stand-in
        "tap-ecdp": "tap_ecdp",
        "tap-crm": "tap_ecdp",
    }

    def __init__(self, url: str) -> None:
        super().__init__("dev")
        self.loaders = {"target-warehouse": Loader("target-warehouse", url, "tap_ecdp")}


def loaded(stream: str, **fields: Any) -> str:
    return line(
        "…",
        elt_event="stream_loaded",
        producer=False,
        consumer=True,
        stream=stream,
        records=1,
        **fields,
    )


def recorded(warehouse: Warehouse, *log_lines: str) -> dict[str, tuple[Any, ...]]:
    """Return the rows of `_runs` after a run with this log, by stream."""
    rows = [record("orders", id=1), record("lines", id=1)]
    schemas = [schema("orders", id="integer"), schema("lines", id="integer")]
    settings: dict[str, Any] = {"add_record_metadata": True, "default_target_schema": "tap_ecdp"}
    warehouse.load(*schemas, *rows, **settings)
    log = RunLog()
    for each in (loaded("orders"), loaded("lines"), *log_lines):
        log.take(each)
    outcome = Outcome("run-1", "tap-ecdp target-warehouse", 1, log)
    record_failures(FakeProject(warehouse.url), outcome, Lines())
    with closing(connect(warehouse.url, "tap_ecdp")) as adapter:
        found = adapter.execute(
            "SELECT stream, complete, failed_units, message FROM " + adapter.path("_runs")
        )
    return {stream: tuple(rest) for stream, *rest in found}


@pytest.fixture(autouse=True)
def run_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RUN_ID, "run-1")


def test_a_failed_unit_is_recorded_for_its_streams(warehouse: Warehouse) -> None:
    failed = line("failed: May", elt_event="unit_failed", streams=["orders"])
    found = recorded(warehouse, failed)
    complete, units, message = found["orders"]
    assert (bool(complete), units, message) == (False, 1, "failed: May")
    assert list(found["lines"][1:]) == [0, ELSEWHERE]


def test_a_failure_of_another_vendor_s_tap_is_recorded(warehouse: Warehouse) -> None:
    job = {"job_name": "dev:tap-crm-to-target-warehouse"}
    ended = {"event": "Block run completed", "level": "error", "err": "Extractor failed"}
    codes = json.dumps({**ended, "exit_codes": {"extractors": 7}})
    found = recorded(warehouse, loaded("orders", **job), loaded("lines", **job), codes)
    for complete, units, message in found.values():
        assert (bool(complete), units, message) == (False, 0, "ended with exit code 7")


def test_a_vendor_s_text_is_not_sql(warehouse: Warehouse) -> None:
    found = recorded(warehouse, line(HOSTILE, elt_event="run_failed"))
    for complete, units, message in found.values():
        assert (bool(complete), units, message) == (False, 0, HOSTILE)


def test_a_run_without_failures_changes_nothing(warehouse: Warehouse) -> None:
    found = recorded(warehouse)
    assert {message for _, _, message in found.values()} == {None}
