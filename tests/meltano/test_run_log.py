from __future__ import annotations

import io
import json
import sys
from typing import Any

import pytest
from click import unstyle
from rich.console import Console

from attribution_elt.checks.findings import Finding
from attribution_elt.cli.display import Lines, Terminal, show_findings, table
from attribution_elt.meltano.outcome import Outcome
from attribution_elt.meltano.process import reason
from attribution_elt.meltano.run_log import Event, RunLog

JOB = "dev:tap-ecdp-to-target-warehouse"


def line(message: str, **fields: Any) -> str:
    """Return a line of Meltano's log from a plugin in a run."""
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


def test_a_pipeline_is_identified_by_its_job() -> None:
    suffixed = line("x", job_name=f"{JOB}:backfill-1", elt_event="run_failed")
    watch, _ = taken(PROGRESS, suffixed)
    assert [(each.tap, each.loader) for each in watch.pipelines.values()] == [
        ("tap-ecdp", "target-warehouse")
    ] * 2


def test_records_add_up_over_the_readers_of_a_tap() -> None:
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


def test_failures_are_collected_by_stream() -> None:
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
        "target-warehouse: 1 record was rejected",
    ]


def test_meltano_s_errors_count_only_without_those_of_plugins() -> None:
    own = json.dumps({"event": "Block run completed", "err": "Extractor failed", "level": "error"})
    watch, events = taken(own, "Error: Block nope not found\n", "")
    assert watch.complaints == ["Block run completed: Extractor failed", "Block nope not found"]
    assert [event.kind for event in events] == ["output"]
    watch.take(line("refused", elt_event="run_failed"))
    assert watch.complaints == ["tap-ecdp: refused"]


def test_a_plugin_by_others_is_named_with_its_exit_code_and_its_errors_are_shown() -> None:
    critical = line("CRITICAL no route", job_name="dev:tap-crm-to-target-warehouse")
    block = {"event": "Block run completed", "err": "Extractor failed", "level": "error"}
    codes = json.dumps({**block, "exit_codes": {"extractors": 1}})
    watch, (event,) = taken(critical, json.dumps({**block, "event": "Extractor failed"}), codes)
    assert (event.kind, event.message) == ("error", "CRITICAL no route")
    assert watch.complaints == ["tap-crm: ended with exit code 1"]
    watch, _ = taken(line("refused", elt_event="run_failed"), codes)
    assert watch.complaints == ["tap-ecdp: refused"]
    mappers = json.dumps({**block, "err": "Mappers failed", "exit_codes": [{"map": 1}]})
    assert taken(LOADED, mappers)[0].complaints == ["Block run completed: Mappers failed"]


def test_a_plugin_that_cannot_be_installed_is_reported_with_only_its_cause() -> None:
    details = "Using Python 3.11\n\nerror: Failed to fetch: ijson\n  cause: unknown certificate\n"
    state = {"plugin_name": "tap-ecdp", "status": "error", "details": details}
    missing = "Executable 'tap-ecdp' could not be found"
    lines = [
        json.dumps({"event": "Installation failed.", "level": "error", "install_state": state}),
        json.dumps({"event": missing, "level": "error"}),
        json.dumps({"event": "Block run completed", "err": missing, "level": "error"}),
    ]
    watch, _ = taken(*lines)
    (complaint,) = watch.complaints
    assert complaint.startswith("tap-ecdp could not be installed: ")
    assert complaint.endswith("error: Failed to fetch: ijson; cause: unknown certificate")
    assert reason(lines) == complaint
    watch, _ = taken(*lines[1:])
    assert watch.complaints == [missing]


def test_a_failure_of_discovery_names_the_tap() -> None:
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


def test_the_tap_s_count_replaces_that_of_another_loader() -> None:
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


def test_other_lines_are_not_events() -> None:
    _, events = taken(
        line("Beginning sync of 'orders' in incremental mode"),
        json.dumps({"event": "Environment 'dev' is active", "level": "info"}),
    )
    assert events == []


TASK = "tap-ecdp target-warehouse"


def test_programs_get_one_json_object_per_line(capsys: pytest.CaptureFixture[str]) -> None:
    log, events = taken(PROGRESS, LOADED, line("refused", elt_event="run_failed"))
    lines = Lines()
    for event in events:
        lines.show(event)
    lines.note("by the way")
    lines.summarize([Outcome("r", TASK, 1, log, 2.04)], ["tap-ihc"])
    progress, loaded, _, note, summary = map(json.loads, capsys.readouterr().out.splitlines())
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
        "units_failed": 0,
    }
    assert loaded["inserted"] == 400
    assert note["message"] == "by the way"
    assert summary["exit_code"] == 1
    assert summary["streams"][0]["updated"] == 15
    assert summary["runs"] == [{"run_id": "r", "task": TASK, "exit_code": 1}]
    assert summary["failures"] == ["tap-ecdp: refused"]
    assert summary["skipped"] == ["tap-ihc"]


def terminal(width: int) -> tuple[Terminal, io.StringIO]:
    """Return a terminal of this width, and its output."""
    shown = io.StringIO()
    console = Console(
        file=shown, width=width, force_terminal=True, color_system=None, highlight=False
    )
    return Terminal(console), shown


def test_people_get_a_status_line_and_a_table() -> None:
    waiting = line("waiting", elt_event="waiting", until="2026-03-31T05:00:00+00:00")
    warning = line("careful", level="warning")
    log, events = taken(PROGRESS, waiting, warning, LOADED)
    display, shown = terminal(120)
    for event in events:
        display.show(event)
    display.summarize([Outcome("r", TASK, 0, log, 61)], ["tap-ihc"])
    text = shown.getvalue()
    assert "tap-ecdp: 3 of 9 units, 420 records, " in text
    assert " a second, orders" in text
    assert "waiting for quota until" in text
    assert "warning  tap-ecdp: careful" in text
    header, row, skipped, ended = (each.rstrip() for each in text.splitlines()[-4:])
    header = header.rpartition("tap ")[2]  # control sequences end the status line before it
    assert header.split() == [
        *("stream", "records", "inserted", "updated", "unchanged", "rejected", "newest")
    ]
    assert row.split() == [
        *("tap-ecdp", "orders", "420", "400", "15", "4", "1", "2026-03-31", "05:01")
    ]
    assert skipped == "skipped, without credentials: tap-ihc"
    assert ended == f"{TASK} succeeded after 61 s"


def test_the_log_of_a_failed_run_has_a_line_that_fits() -> None:
    number = "34660472-944d-4753-9e7c-8816f47ec6e1"
    display, shown = terminal(80)
    display.summarize([Outcome(number, TASK, 1, RunLog(), 61)], [])
    ended, log = shown.getvalue().splitlines()[-2:]
    assert ended == f"{TASK} failed with exit code 1 after 61 s"
    assert log.endswith(f"meltano logs show {number}")
    assert len(log) < 80


def test_a_narrow_terminal_has_the_whole_names() -> None:
    loaded = json.loads(LOADED) | {"stream": "attributed_order_lines"}
    log, _ = taken(json.dumps(loaded))
    display, shown = terminal(80)
    display.summarize([Outcome("r", TASK, 0, log, 61)], [])
    header, row, _ = shown.getvalue().splitlines()[-3:]
    assert header.split()[-1] == "rejected"
    assert row.split() == ["tap-ecdp", "attributed_order_lines", "420", "400", "15", "4", "1"]


def test_failed_units_are_in_the_status_line() -> None:
    failed = json.loads(PROGRESS)
    failed["units_failed"] = 2
    _, (event,) = taken(json.dumps(failed))
    display, shown = terminal(90)
    display.show(event)
    assert "3 of 9 units, 2 failed, 420 records" in shown.getvalue()


def test_units_of_an_unknown_number() -> None:
    unknown = json.loads(PROGRESS)
    del unknown["units_total"]
    _, (event,) = taken(json.dumps(unknown))
    display, shown = terminal(90)
    display.show(event)
    assert "tap-ecdp: 3 units, 420 records, " in shown.getvalue()


def test_the_status_line_fits_the_terminal() -> None:
    _, (event,) = taken(PROGRESS)
    display, shown = terminal(30)
    display.show(event)
    (text,) = [each for each in shown.getvalue().splitlines() if "tap-ecdp" in each]
    assert len(text.partition("tap-ecdp")[2]) <= 30 - len("tap-ecdp")


def test_a_narrow_terminal_gets_every_name_and_digit() -> None:
    log, _ = taken(LOADED.replace("400", "123456"))
    display, shown = terminal(30)
    display.summarize([Outcome("r", TASK, 0, log, 61)], [])
    assert "tap-ecdp orders     420  123,456      15" in shown.getvalue()


def test_none_is_a_dash_and_numbers_are_right_aligned() -> None:
    shown = io.StringIO()
    Console(file=shown, width=80).print(table(("a", "b"), [(1, None), (1000, None)]))
    lines = [each.rstrip() for each in shown.getvalue().splitlines()]
    assert lines == ["    a  b", "    1  -", "1,000  -"]


def test_a_message_is_shown_without_escape_sequences() -> None:
    _, (event,) = taken(line("\x1b[2Jall [bold]fine[/bold]", level="warning"))
    display, shown = terminal(90)
    display.show(event)
    assert "all [bold]fine[/bold]" in shown.getvalue()
    assert "\x1b[2J" not in shown.getvalue()


def test_warnings_of_one_cause_are_shown_once_and_counted() -> None:
    retries = [
        line(
            f"ECDP, orders of 2026-03-{day:02}: connection refused; retrying in 0.5 s",
            level="warning",
            elt_event="retry",
            reason="connection refused",
        )
        for day in range(1, 35)
    ]
    log, events = taken(*retries)
    assert [event.kind for event in events] == ["warning"]
    display, shown = terminal(90)
    display.summarize([Outcome("r", TASK, 1, log)], [])
    assert "warning  tap-ecdp: 33 more such warnings: connection refused" in shown.getvalue()


def test_a_first_run_without_a_state_is_not_a_warning() -> None:
    _, events = taken(line("No state was found, complete import.", level="warning"))
    assert events == []


def test_the_loader_is_named_where_it_failed() -> None:
    failed = line(
        'Error: connection failed: password authentication failed for user "me"',
        producer=False,
        consumer=True,
    )
    log, _ = taken(failed, failed)
    (complaint,) = log.complaints
    assert complaint.startswith("target-warehouse: connection failed: password")


def test_an_interrupted_run_reports_what_is_committed() -> None:
    log, _ = taken(PROGRESS, LOADED, line("Error: Broken pipe"))
    stopped = Outcome("r", TASK, 130, log, interrupted=True)
    assert stopped.complaints == [
        f"{TASK}: interrupted; 419 records are committed; run it again to resume"
    ]


@pytest.mark.parametrize("columns", [80, 110])
def test_findings_fit_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: int
) -> None:
    facts = ["credentials are valid", "clocks agree", "29 of 30 requests left in the window"]
    findings = [Finding("tap-adtraction", "partner_token", facts=[*facts, *facts])]
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    show_findings(findings, as_json=False)
    first, *others = unstyle(capsys.readouterr().out).splitlines()
    assert others
    assert all(len(each) <= columns for each in (first, *others))
    assert {len(each) - len(each.lstrip()) for each in others} == {first.index("credentials")}

    monkeypatch.setattr(sys.stdout, "isatty", lambda: False)
    show_findings(findings, as_json=False)
    assert len(capsys.readouterr().out.splitlines()) == 1
