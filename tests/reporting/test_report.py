from __future__ import annotations

import csv
import re
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from click.testing import CliRunner
from target_warehouse.warehouses.registry import connect

from attribution_elt.cli.report import report
from attribution_elt.meltano.project import Extractor, Loader, Project
from attribution_elt.reporting.attempts import failed_attempts
from attribution_elt.reporting.page import page
from attribution_elt.reporting.reading import read
from tests.pipeline.meltano import PROJECT
from tests.reporting.pages import LESS, NOW, Reader, made, shown
from tests.reporting.vendors_data import (
    ATTRIBUTIONS,
    ORDERS,
    extractors,
    load,
    loader,
    order,
    session,
)
from tests.targets.target_warehouse.warehouses import Warehouse, raw_record, record, schema

ECDP, IO, IHC = "tap-ecdp", "tap-attribution-io", "tap-ihc"

INCOMPLETE = '{"type": "STATE", "value": 1, "complete": false}'


def change(warehouse: Warehouse, tap: str, statement: str, table: str) -> None:
    with closing(connect(warehouse.url, tap.replace("-", "_"))) as adapter:
        adapter.execute(statement.format(adapter.path(table)))
        adapter.commit()


def test_revenue_is_shown_by_channel_and_currencies_are_not_added_up(warehouse: Warehouse) -> None:
    load(
        warehouse,
        ECDP,
        ORDERS,
        order("1", "2026-03-01", "1000.4", "Email"),
        order("2", "2026-03-02", "3000", "SMS"),
        order("3", "2026-03-02", "77", None, "SEK"),
        order("4", "2025-03-02", "5555", "SMS"),
    )
    text = shown(warehouse, ECDP)
    assert "28 days, 2026-02-21 to 2026-03-20" in text
    assert "2 orders worth 4,000 EUR." in text
    assert "1 order worth 77 SEK." in text
    assert "channel | orders | revenue (EUR) | share | " in text
    assert "SMS | 1 | 3,000 | 75 %" in text
    assert "2026-03-02, SMS: 3,000 EUR" in text
    assert "5,555" not in text


def test_revenue_is_compared_with_the_days_before(warehouse: Warehouse) -> None:
    orders = [
        order("1", "2026-03-01", "150", "Email"),
        order("2", "2026-02-01", "100", "Email"),
        order("3", "2026-02-02", "80", "SMS"),
    ]
    load(warehouse, ECDP, ORDERS, *orders)
    text = shown(warehouse, ECDP)
    assert "Change compares with 2026-01-24 to 2026-02-20." in text
    assert "No change is shown, because the data begins on 2026-02-01." in text
    load(warehouse, ECDP, ORDERS, order("4", "2026-01-24", "20", "SMS"))
    text = shown(warehouse, ECDP)
    assert "Email | 1 | 150 | 100 % | +50.0 %" in text
    assert f"total | 1 | 150 | {LESS}25.0 %" in text
    # SMS has earned nothing since
    assert f"SMS | 0 | 0 | 0 % | {LESS}100.0 %" in text
    # less of a loss is more
    load(warehouse, ECDP, ORDERS, order("5", "2026-02-02", "-160", "SMS"))
    load(warehouse, ECDP, ORDERS, order("6", "2026-03-01", "-30", "SMS"))
    assert f"SMS | 1 | {LESS}30 | {LESS}25 % | +50.0 %" in shown(warehouse, ECDP)


def test_amounts_without_a_currency_come_with_a_hint(warehouse: Warehouse) -> None:
    load(warehouse, ECDP, ORDERS, order("1", "2026-03-01", "150", "Email", None))
    text = shown(warehouse, ECDP)
    assert "1 order worth 150." in text
    assert "ECDP does not send the currency: set reporting_currency to show it." in text


def test_every_table_has_its_values_as_a_csv_file(warehouse: Warehouse) -> None:
    orders = [
        order("1", "2026-03-01", "150.25", "=HYPERLINK(1)"),
        # rounded at the end, not for each day
        order("2", "2026-03-01", "0.335", "E, mail"),
        order("3", "2026-03-02", "0.335", "E, mail"),
        order("4", "2026-03-03", "0.335", "E, mail"),
    ]
    load(warehouse, ECDP, ORDERS, *orders)
    whole = made(warehouse, ECDP)
    assert " %" not in whole  # a browser would break lines there
    assert whole.count('href="data:text/csv;') == whole.count("<table")
    (link,) = re.findall(r'download="Revenue by channel[^"]*" href="data:[^,]*,([^"]*)"', whole)
    header, first, second = csv.reader(unquote(link).splitlines())
    assert header[:3] == ["channel", "orders", "revenue (EUR)"]
    assert first[:4] == ["'=HYPERLINK(1)", "1.00", "150.25", "0.9934"]
    assert second[:4] == ["E, mail", "3.00", "1.00", "0.0066"]


def test_days_without_revenue_are_shown(warehouse: Warehouse) -> None:
    orders = order("1", "2026-03-01", "0", "Email"), order("2", "2026-03-01", None, "SMS")
    load(warehouse, ECDP, ORDERS, *orders)
    assert "2 orders worth 0 EUR." in shown(warehouse, ECDP)


def test_sections_are_in_order_and_linked(warehouse: Warehouse) -> None:
    load(warehouse, ECDP, ORDERS, order("1", "2026-03-01", "1", "SMS"))
    whole = made(warehouse, ECDP)
    anchors = ["revenue", "restated", "credits", "freshness", "failed"]
    assert re.findall(r'<section id="(\w+)"', whole) == anchors
    navigation = whole.partition("<nav>")[2].partition("</nav>")[0]
    assert re.findall(r'href="#(\w+)"', navigation) == anchors
    assert "As of 2026-03-20 12:00 UTC" in whole


def test_runs_that_never_reached_the_loader_are_failed_runs(warehouse: Warehouse) -> None:
    load(warehouse, ECDP, ORDERS, order("1", "2026-03-01", "1", "SMS"))
    now = datetime.now(UTC)
    since = now - timedelta(days=5)

    class FakeProject(Project):
        def runs(self) -> list[dict[str, Any]]:
            def of(hours: int, state: str, job: str, log: str) -> dict[str, Any]:
                started = (now - timedelta(hours=hours)).isoformat()
                job = f"{job}-to-target-warehouse"
                return {
                    "job_name": job,
                    "state": state,
                    "log_id": log,
                    "started_at": started,
                    "ended_at": started,
                }

            return [
                of(0, "FAIL", "dev:tap-ecdp", "has-a-row"),
                of(5, "FAIL", "dev:tap-ecdp", "without-a-row"),
                of(6, "SUCCESS", "dev:tap-ecdp", "good"),
                of(7, "FAIL", "prod:tap-ecdp", "of-prod"),
                of(999, "FAIL", "dev:tap-ecdp", "old"),
            ]

    attempts = failed_attempts(FakeProject("dev"), since)
    found = read(loader(warehouse), extractors(ECDP), since, attempts)
    text = Reader(page([found], "dev", now, 5)).text
    assert "Failed runs | 1 | " in text
    assert "before the loader had data: scripts/meltano logs show without-a-row" in text


def test_a_run_of_a_tap_that_reports_no_end_has_not_failed(warehouse: Warehouse) -> None:
    load(warehouse, ECDP, ORDERS, order("1", "2026-03-01", "1", "SMS"))
    change(warehouse, ECDP, "UPDATE {} SET complete = NULL", "_runs")
    text = shown(warehouse, ECDP, now=datetime.now(UTC))
    assert "Failed runs | 0 | " in text
    assert "Last load | 20" in text


def test_restatements_are_shown_with_their_time(warehouse: Warehouse) -> None:
    rows = [order(str(number), "2026-03-01", "100", "Email") for number in range(3)]
    load(warehouse, ECDP, ORDERS, *rows, at=datetime(2026, 3, 2, 5, tzinfo=UTC))
    assert "No day is complete" not in shown(warehouse, ECDP)
    changed = [order("0", "2026-03-01", "40", "Email"), order("1", "2026-03-01", "100", "SMS")]
    load(warehouse, ECDP, ORDERS, *changed, at=datetime(2026, 3, 6, 5, tzinfo=UTC))
    text = shown(warehouse, ECDP)
    assert "1 of 1 day has changed: 0 EUR up, 60 EUR down, and 100 EUR from one channel" in text
    assert f"2026-03-01, within 7 days: {LESS}60 EUR" in text
    assert f"2026-03-06 05:00 | 1 | {LESS}60 | 100" in text
    assert f"2026-03-01 | 300 | 240 | {LESS}20.0 %" in text
    assert f"Email | 2 | 140 | 58 % | {LESS}160" in text
    assert "SMS | 1 | 100 | 42 % | +100" in text


def test_runs_that_failed_and_records_that_were_rejected_are_named(warehouse: Warehouse) -> None:
    now = datetime.now(UTC)
    load(warehouse, ECDP, ORDERS, order("1", "2026-03-01", "1", "SMS"))
    text = shown(warehouse, ECDP, now=now)
    assert "Failed runs | 0 | " in text
    assert "No run failed from " in text
    assert "No record was rejected." in text

    secret = 'somebody@example.com","order_value_converted":"private'
    bad = raw_record("attributed_orders", f'{{"website_id":1,"order_id":"2","channel":"{secret}"}}')
    load(warehouse, ECDP, ORDERS, bad, fails=True)
    load(warehouse, ECDP, ORDERS, INCOMPLETE, "no message", fails=True)
    change(warehouse, ECDP, "UPDATE {} SET message = NULL WHERE complete = FALSE", "_runs")
    assert "attributed_orders | it ended early; its log has the reason: scripts" in shown(
        warehouse, ECDP, now=now
    )
    message = "UPDATE {} SET message = 'ECDP returned 401: <b>check</b>' WHERE complete = FALSE"
    change(warehouse, ECDP, message, "_runs")
    whole = made(warehouse, ECDP, now=now)
    text = Reader(whole).text
    assert "Failed runs | 1 | " in text
    assert "tap-ecdp | attributed_orders | ECDP returned 401: <b>check</b>" in text
    assert "Rejected records | 1 | " in text
    assert "tap-ecdp | attributed_orders | 1 | 20" in text
    assert "3 runs, 1 failed, 1 rejected" in text
    assert "<b>check" not in whole
    assert "private" not in whole
    assert "somebody@" not in whole


def test_freshness_is_the_time_of_the_last_complete_run(warehouse: Warehouse) -> None:
    now = datetime.now(UTC)
    load(warehouse, ECDP, ORDERS, order("1", "2026-03-01", "1", "SMS"))
    change(warehouse, ECDP, "UPDATE {} SET finished_at = '2026-03-01 05:00:00+00:00'", "_runs")
    load(warehouse, ECDP, ORDERS, INCOMPLETE, "no message", fails=True)
    text = shown(warehouse, ECDP, now=now)
    assert "attributed_orders | 1 | 2026-03-01 05:00" in text


def test_missing_schemas_are_named_and_not_created(warehouse: Warehouse) -> None:
    odd = schema("something", id="integer")
    warehouse.load(odd, record("something", id=1), default_target_schema="tap_ecdp")
    text = shown(warehouse, ECDP, IO, IHC, "tap-adtraction")
    assert "Load times are unknown: without add_record_metadata" in text
    assert "Nothing to show: the table attributed_orders does not exist." in text
    assert "The SQL models are not built yet" in text
    assert "Last load | never" in text
    assert "tap-adtraction" not in text  # nothing loaded, and no credentials
    if not warehouse.url.startswith("sqlite"):
        assert "The schema tap_ihc does not exist yet." in text
        assert "Nothing to show: the schema tap_attribution_io does not exist yet." in text
        with closing(connect(warehouse.url, None)) as adapter:
            assert not adapter.execute(
                "SELECT 1 FROM information_schema.schemata WHERE schema_name = 'tap_ihc'"
            )


def test_the_page_loads_nothing_and_escapes_every_text(warehouse: Warehouse) -> None:
    channel = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"
    rows = [
        order(str(number), "2026-03-01", "5", f"{number}{channel}", "<i>EUR</i>")
        for number in range(11)
    ]
    load(warehouse, ECDP, ORDERS, *rows)
    load(warehouse, IHC, ATTRIBUTIONS, session("1", "a", channel, 1))
    whole = made(warehouse, ECDP, IHC)
    found = Reader(whole)
    assert found.loads == []
    assert found.tags.isdisjoint(
        {"script", "img", "link", "iframe", "object", "i", "image", "use"} - {"i"}
    )
    assert "://" not in whole
    assert "@import" not in whole
    assert not re.search(r"url\((?!#)", whole)
    assert f"0{channel}" in found.text
    assert "all others" in found.text
    assert "<i>EUR" not in whole
    assert len(whole.encode()) < 200_000


def test_without_versions_the_page_names_the_setting(warehouse: Warehouse) -> None:
    load(warehouse, ECDP, ORDERS, order("1", "2026-03-01", "12", "SMS"), history=())
    text = shown(warehouse, ECDP)
    assert "1 order worth 12 EUR" in text
    why = "no old versions of attributed_orders are kept (setting history of the loader)"
    assert f"Nothing to show: {why}." in text


def test_a_day_before_the_first_load_has_unknown_revenue(warehouse: Warehouse) -> None:
    load(warehouse, ECDP, ORDERS, order("1", "2026-03-01", "12", "SMS"), at=NOW)
    for hours, text in ((-1, "Nothing to show: no day was loaded completely."), (1, "1 order")):
        moment = NOW + timedelta(hours=hours)
        found = read(loader(warehouse), extractors(ECDP), NOW - timedelta(27), known_at=moment)
        section = page([found], "dev", moment, 28).partition('id="restated"')[0]
        assert text in Reader(section).text


def test_a_future_day_is_refused() -> None:
    done = CliRunner().invoke(report, ["--as-of", "9999-01-01"], obj=Project("dev"))
    assert str(done.exception).startswith("--as-of 9999-01-01 is in the future: today is ")
    done = CliRunner().invoke(report, ["--as-of", "0001-01-01"], obj=Project("dev"))
    assert (done.exit_code, "'0001-01-01' is before 2000-01-01" in done.output) == (2, True)


@pytest.mark.parametrize("module", ["jinja2"])
def test_a_library_that_is_missing_is_named(module: str) -> None:
    without = f"import sys; sys.modules[{module!r}] = None"
    without += "; from attribution_elt.cli.main import cli; cli(['report'])"
    done = subprocess.run(
        [sys.executable, "-c", without], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == (
        f"Error: a report needs the Python module {module}: pip install 'attribution-elt[report]'\n"
    )


def test_extractors_of_one_schema_share_a_card(tmp_path: Path) -> None:
    (tmp_path / "one.db").touch()
    one = Loader("one", f"sqlite:///{tmp_path}/one.db", None)
    every: list[Extractor] = extractors(ECDP, IO)
    found = read(one, every, NOW)
    assert [place.name for place in found.places] == ["tap-ecdp, tap-attribution-io"]
