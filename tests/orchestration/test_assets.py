from __future__ import annotations

from datetime import timedelta

import dagster
import pytest
from tap_adtraction.tap import TapAdtraction
from tap_ecdp.tap import TapEcdp

from attribution_elt.meltano.project import Extractor, Project
from attribution_elt.meltano.schedules import Job, Schedule
from attribution_elt.orchestration.assets import assets, interval


class FakeProject(Project):
    """A project in which one tap has no schedule, and one is in no job."""

    extractors: dict[str, Extractor] = {  # noqa: RUF012 - a stand-in
        "tap-ecdp": Extractor("tap-ecdp", TapEcdp, "tap_ecdp", {}),
        "tap-adtraction": Extractor("tap-adtraction", TapAdtraction, "tap_adtraction", {}),
        "tap-unused": Extractor("tap-unused", TapEcdp, "tap_unused", {}),
    }
    jobs: list[Job] = [  # noqa: RUF012 - a stand-in
        Job("ecdp", [[("tap-ecdp", "target")]]),
        Job("adtraction", [[("tap-adtraction", "target")]]),
    ]
    schedules: list[Schedule] = [  # noqa: RUF012 - a stand-in
        Schedule("weekly", "@weekly", "ecdp", {}),
        Schedule("daily", "0 5 * * *", "ecdp", {}),
        Schedule("once", None, "adtraction", {}),
    ]


def test_every_stream_of_a_job_is_an_asset_with_columns_before_the_first_run() -> None:
    found = {each.key.to_user_string(): each for each in assets(FakeProject("prod"))}
    assert {each.partition("/")[0] for each in found} == {"tap-ecdp", "tap-adtraction"}
    orders = found["tap-ecdp/attributed_orders"]
    assert orders.group_name == "tap_ecdp"
    assert orders.description
    schema = orders.metadata["dagster/column_schema"]
    columns = {each.name: each for each in schema.columns}
    assert columns["order_date_time"].type == "date-time"
    assert columns["order_id"].description == "Id of the order, unique within a website"


def test_an_asset_is_late_after_the_shortest_interval_of_its_schedules() -> None:
    found = {each.key.path[0]: each.freshness_policy for each in assets(FakeProject("prod"))}
    wanted = dagster.FreshnessPolicy.time_window(fail_window=timedelta(hours=26))
    assert found["tap-ecdp"] == wanted
    assert found["tap-adtraction"] is None


@pytest.mark.parametrize(("schema", "group"), [("raw-ecdp", "raw_ecdp"), ("", "default")])
def test_the_group_of_an_asset_has_a_name_that_dagster_accepts(
    monkeypatch: pytest.MonkeyPatch, schema: str, group: str
) -> None:
    named = {"tap-ecdp": Extractor("tap-ecdp", TapEcdp, schema, {})}
    monkeypatch.setattr(FakeProject, "extractors", named)
    specs = dagster.Definitions(assets=assets(FakeProject("prod"))).resolve_all_asset_specs()
    assert {each.group_name for each in specs} == {group}


@pytest.mark.parametrize(
    ("cron", "hours"),
    [
        ("10 */6 * * *", 6),
        ("5 * * * *", 1),
        ("10 */6,3 * * *", 6),
        ("0 5 * * *", 24),
        ("0 5,17 * * *", 24),
        ("@daily", 24),
        ("0 5 * * 1", 7 * 24),
        ("0 5 1 * *", 31 * 24),
        ("0 5 1 1 *", 366 * 24),
        ("@yearly", 366 * 24),
        ("@annually", 366 * 24),
    ],
)
def test_intervals_of_schedules(cron: str, hours: int) -> None:
    assert interval(cron) == timedelta(hours=hours)
