"""How a task treats the process that it starts, which is a stand-in here."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import dagster
import pytest

from attribution_elt.meltano.project import Extractor, Project
from attribution_elt.meltano.schedules import Schedule
from attribution_elt.orchestration.task import SCHEDULE, task

BLOCKS = ("tap-a", "target")


class FakeProject(Project):
    """A project that does not run Meltano."""

    extractors: dict[str, Extractor] = {}  # noqa: RUF012 - a stand-in
    schedules = [Schedule("each-day", "@daily", "job", {"TOLD": "by the schedule"})]  # noqa: RUF012 - a stand-in


def summary(**fields: Any) -> str:
    return json.dumps({"event": "summary", "run_id": "run-1", "streams": [], **fields})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the stand-in for attribution-elt, which notes its arguments."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    return tmp_path


def execute(folder: Path, *lines: str, exit_code: int = 0) -> list[Any]:
    """Run a task whose process prints these lines; return what the task reports to Dagster."""
    script = folder / "attribution-elt"
    printed = "\n".join(lines)
    noted = "{'arguments': sys.argv[1:], 'TOLD': os.environ.get('TOLD')}"
    script.write_text(
        f"#!{sys.executable}\nimport json, os, sys\n"
        f"json.dump({noted}, open({str(folder / 'noted')!r}, 'w'))\n"
        f"print({printed!r})\nsys.exit({exit_code})\n"
    )
    script.chmod(0o755)
    with dagster.build_op_context(run_tags={SCHEDULE: "each-day"}) as context:
        task(FakeProject("prod"), BLOCKS, dagster.RetryPolicy())(context)
        return list(context.get_events())


def test_a_task_is_a_run_in_the_environment_with_what_the_schedule_sets(folder: Path) -> None:
    execute(folder, summary())
    assert json.loads((folder / "noted").read_text()) == {
        "arguments": ["--environment=prod", "run", "--no-failure-alert", *BLOCKS],
        "TOLD": "by the schedule",
    }


def test_loaded_tables_are_assets(folder: Path) -> None:
    orders = {"tap": "tap-a", "loader": "target", "stream": "orders", "inserted": 3}
    (event,) = execute(folder, summary(streams=[orders]))
    assert event.asset_key.path == ["tap-a", "orders"]
    assert event.metadata["inserted"].value == 3
    assert event.metadata["run_id"].value == "run-1"


@pytest.mark.parametrize(
    ("lines", "exit_code", "reason", "retried"),
    [
        ([summary(failures=["tap-a: one", "tap-a: two"])], 1, "tap-a: one\ntap-a: two", True),
        (["Error: there is no meltano.yml"], 1, "Error: there is no meltano.yml", True),
        ([], 1, "exit code 1", True),
        ([summary(failures=["tap-a: stopped"])], 143, "tap-a: stopped", False),
        (["Error: No such option"], 2, "Error: No such option", False),
    ],
)
def test_a_failed_task_is_retried_with_its_reason(
    folder: Path, lines: list[str], exit_code: int, reason: str, *, retried: bool
) -> None:
    with pytest.raises(dagster.Failure) as raised:
        execute(folder, *lines, exit_code=exit_code)
    assert raised.value.description == reason
    assert raised.value.allow_retries is retried
    assert raised.value.metadata["exit_code"].value == exit_code
