from __future__ import annotations

from typing import Any

import pytest

from attribution_elt.core.errors import OpsError
from attribution_elt.meltano.schedules import Job, Schedule

EXTRACTORS = {"tap-a", "tap-b"}


@pytest.mark.parametrize(
    ("tasks", "chains"),
    [
        (["tap-a target", "tap-b target"], [[("tap-a", "target")], [("tap-b", "target")]]),
        (["tap-a target tap-b target"], [[("tap-a", "target"), ("tap-b", "target")]]),
        ([["tap-a target", "tap-b target"]], [[("tap-a", "target"), ("tap-b", "target")]]),
        (["tap-a mapper target"], [[("tap-a", "mapper", "target")]]),
        (["tap-a target dbt:run"], [[("tap-a", "target", "dbt:run")]]),
        (["dbt:run tap-a target"], [[("dbt:run",), ("tap-a", "target")]]),
        ("tap-a target", [[("tap-a", "target")]]),
    ],
)
def test_a_task_is_cut_at_each_extractor(tasks: Any, chains: Any) -> None:
    assert Job.of({"name": "job", "tasks": tasks}, EXTRACTORS) == Job("job", chains)


@pytest.mark.parametrize(
    ("interval", "cron"),
    [("10 */6 * * *", "10 */6 * * *"), ("@daily", "@daily"), ("@once", None), ("@manual", None)],
)
def test_a_schedule_has_a_cron_expression_if_its_interval_has(
    interval: str, cron: str | None
) -> None:
    entry = {"name": "each-day", "interval": interval, "job": "job", "env": {"A": "1"}}
    assert Schedule.of(entry) == Schedule("each-day", cron, "job", {"A": "1"})


def test_the_variables_of_a_schedule_are_texts() -> None:
    values = {"DAYS": 7, "DRY": True, "URL": "$URL"}
    schedule = Schedule.of({"name": "daily", "interval": "@daily", "job": "job", "env": values})
    assert schedule.variables == {"DAYS": "7", "DRY": "true", "URL": "$URL"}


def test_the_error_of_a_schedule_without_a_job_has_advice() -> None:
    with pytest.raises(OpsError, match=r"'old' of meltano\.yml names an extractor and a loader: "):
        Schedule.of({"name": "old", "interval": "@daily", "extractor": "tap-a", "loader": "b"})
