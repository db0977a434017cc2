from __future__ import annotations

import json
from typing import Any

import pytest

from attribution_elt.cli.display import Lines, Terminal, table
from attribution_elt.meltano.run_log import Event, RunLog

JOB = "dev:tap-ecdp-to-target-warehouse"


def line(message: str, **fields: Any) -> str:
    """A line of Meltano's log, as a plugin's in a run."""
    plugin = {"cmd_type": "elb", "job_name": JOB, "producer": True, "level": "info"}
    return json.dumps({"event": message, **plugin, **fields})


def taken(*lines: str) -> tuple[RunLog, list[Event]]:
    watch = RunLog()
    events = [event for each in lines if (event := watch.take(each)) is not None]
    return watch, events


PROGRESS = line(
    "orders: 3 of 9 units, 420 records",
    elt_event="progress",
    streams=["orders"],
    units_done=3,
    units_total=9,
    records=420,
)
LOADED = line(
    "stream 'orders': …",
    elt_event="stream_loaded",
    producer=False,
    consumer=True,
    stream="orders",
    records=420,
    inserted=400,
    updated=15,
    unchanged=4,
    rejected=1,
    newest="2026-03-31 05:01:02.345678+00:00",
)


def test_a_pipeline_is_known_by_its_job() -> None:
    suffixed = line("x", job_name=f"{JOB}:backfill-1", elt_event="run_failed")
    watch, _ = taken(PROGRESS, suffixed)
    assert [(each.tap, each.loader) for each in watch.pipelines.values()] == [
        ("tap-ecdp", "target-warehouse")
    ] * 2


def test_records_add_up_over_the_walks_of_a_tap() -> None:
    again = line(
        "lines: 1 of 1 units, 5 records",
        elt_event="progress",
        streams=["lines"],
        units_done=1,
        units_total=1,
        records=5,
    )
    watch, events = taken(PROGRESS, again, PROGRESS)
    assert watch.pipelines[JOB].records == 425
    assert [event.kind for event in events] == ["progress"] * 3


def test_what_a_tap_says_of_its_failures_is_kept_by_stream() -> None:
    failed = line("failed: a", elt_event="unit_failed", streams=["orders"], level="error")
    ended = line("refused", elt_event="run_failed", level="error")
    rejected = line("Error: 1 record was rejected", producer=False, consumer=True)
    watch, _ = taken(failed, ended, rejected)
    (pipeline,) = watch.pipelines.values()
    assert pipeline.failed_units == [("failed: a", ["orders"])]
    assert pipeline.failures == ["refused"]
    assert pipeline.load_failures == ["1 record was rejected"]
    assert watch.complaints == [
        "tap-ecdp: refused",
        "tap-ecdp: failed: a",
        "tap-ecdp: 1 record was rejected",
    ]


def test_meltano_is_quoted_only_where_nobody_else_said_why() -> None:
    own = json.dumps({"event": "Block run completed", "err": "Extractor failed", "level": "error"})
    watch, events = taken(own, "Error: Block nope not found\n", "")
    assert watch.complaints == [
        "Block run completed: Extractor failed",
        "Block nope not found",
    ]
    assert [event.kind for event in events] == ["output"]
    watch.take(line("refused", elt_event="run_failed"))
    assert watch.complaints == ["tap-ecdp: refused"]


def test_a_tap_that_fails_at_discovery_is_named() -> None:
    discovery = json.dumps(
        {
            "event": "setting 'api_key' is missing",
            "type": "discovery",
            "name": "tap-ecdp",
            "elt_event": "run_failed",
        }
    )
    watch, _ = taken(discovery)
    assert watch.complaints == ["tap-ecdp: setting 'api_key' is missing"]


def test_a_loader_that_tells_nothing_is_made_up_for_by_the_tap_s_own_count() -> None:
    metric = {"type": "counter", "metric": "record_count", "value": 7, "tags": {"stream": "a"}}
    watch, _ = taken(line("METRIC", metric_info=metric), line("METRIC", metric_info=metric))
    ((_, stream, counts),) = watch.rows()
    assert (stream, counts) == ("a", {"records": 14})


def test_drift_and_lost_days_are_kept() -> None:
    watch, events = taken(
        line("property 'x' is new", elt_event="drift", stream="orders", level="warning"),
        line("the days a..b can no longer be had", elt_event="days_lost", level="warning"),
        line("something", level="warning"),
    )
    (pipeline,) = watch.pipelines.values()
    assert pipeline.drift == ["orders: property 'x' is new"]
    assert pipeline.days_lost == ["the days a..b can no longer be had"]
    assert [event.kind for event in events] == ["drift", "days_lost", "warning"]


def test_what_is_of_no_interest_is_no_event() -> None:
    _, events = taken(
        line("Beginning sync of 'orders' in incremental mode"),
        json.dumps({"event": "Environment 'dev' is active", "level": "info"}),
    )
    assert events == []


def test_machines_get_a_json_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    watch, events = taken(PROGRESS, LOADED)
    lines = Lines()
    for event in events:
        lines.show(event)
    lines.say("by the way")
    lines.summarize(watch, run_id="r", exit_code=1, seconds=2.04)
    progress, loaded, note, summary = map(json.loads, capsys.readouterr().out.splitlines())
    assert progress | {"rate": 1, "time": 1} == {
        "event": "progress",
        "time": 1,
        "message": "orders: 3 of 9 units, 420 records",
        "tap": "tap-ecdp",
        "loader": "target-warehouse",
        "records": 420,
        "rate": 1,
        "streams": ["orders"],
        "units_done": 3,
        "units_total": 9,
    }
    assert loaded["inserted"] == 400
    assert note["message"] == "by the way"
    assert summary["exit_code"] == 1
    assert summary["streams"][0]["updated"] == 15


def test_people_get_a_line_that_moves_and_a_table(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "90")
    waiting = line("waiting", elt_event="waiting", until="2026-03-31T05:00:00+00:00")
    warning = line("careful", level="warning")
    watch, events = taken(PROGRESS, waiting, warning, LOADED)
    terminal = Terminal()
    for event in events:
        terminal.show(event)
    terminal.summarize(watch, run_id="r", exit_code=0, seconds=61)
    moving, waits, warned, *rest = capsys.readouterr().out.split("\r")[1:]
    assert moving.startswith("tap-ecdp: 3 of 9 units, 420 records, ")
    assert moving.endswith(" a second, orders")
    assert "waiting for quota until" in waits
    assert warned.rstrip() == "warning  tap-ecdp: careful"
    assert rest == [
        "tap       stream  records  inserted  updated  unchanged  rejected  newest\n",
        "tap-ecdp  orders      420       400       15          4         1  2026-03-31 05:01\n",
        "Run r succeeded after 61 s; its log: meltano logs show r\n",
    ]


def test_units_of_which_nobody_knows_how_many_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    unknown = json.loads(PROGRESS)
    del unknown["units_total"]
    _, (event,) = taken(json.dumps(unknown))
    Terminal().show(event)
    assert "tap-ecdp: 3 units, 420 records, " in capsys.readouterr().out


def test_a_line_that_moves_is_cut_to_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    _, (event,) = taken(PROGRESS)
    Terminal().show(event)
    assert len(capsys.readouterr().out.lstrip("\r")) == 29


def test_what_is_not_known_is_a_dash() -> None:
    assert table(("a", "b"), [(1, None), (1000, None)]) == ["    a  b", "    1  -", "1,000  -"]
