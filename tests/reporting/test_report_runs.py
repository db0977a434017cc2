"""The report of a real project, and how a browser shows it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import psycopg
import pytest

from attribution_elt.sandbox import Sandbox
from tests.operating import attribution_elt, variables
from tests.pipeline.meltano import project
from tests.reporting.chromium import Chromium, found

COUNT = "SELECT count(*) FROM tap_ecdp.attributed_orders__versions"
EARLIER = (
    "UPDATE tap_ecdp.attributed_orders SET _sdc_batched_at = _sdc_batched_at - INTERVAL 9 DAY",
    "UPDATE tap_ecdp._runs SET finished_at = finished_at - INTERVAL 9 DAY",
)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Serve the vendors with a past day, so that days can pass until today."""
    with Sandbox(seed=7, today=datetime.now(UTC).date() - timedelta(days=9)) as fresh:
        yield fresh


@pytest.fixture
def chromium(tmp_path: Path) -> Iterator[Chromium]:
    executable = found()
    if executable is None:
        pytest.skip("no Chromium is installed here")
    with Chromium(executable, tmp_path / "profile") as browser:
        yield browser


def test_restatements_are_on_the_page_as_a_browser_shows_it(
    sandbox: Sandbox, tmp_path: Path, chromium: Chromium
) -> None:
    folder = project(tmp_path / "project")
    environment = variables(sandbox, ["tap-ecdp"])
    assert attribution_elt(folder, environment, "run", "ecdp").returncode == 0
    with duckdb.connect(str(folder / "warehouse.duckdb")) as warehouse:
        first = warehouse.execute(COUNT).fetchone()
        for statement in EARLIER:  # as if the run had been then
            warehouse.execute(statement)
    assert first is not None
    assert first[0] > 100
    sandbox.advance(9)
    expired = {**environment, "TAP_ECDP_API_KEY": "expired-on-saturday"}
    assert attribution_elt(folder, expired, "run", "ecdp").returncode == 1
    assert attribution_elt(folder, environment, "run", "ecdp").returncode == 0

    done = attribution_elt(folder, environment, "report", "--output", "out.html")
    assert done.returncode == 0, done.stderr
    page = folder / "out.html"
    assert done.stdout.startswith(f"{page.resolve()} (")
    text = page.read_text()
    assert " have changed: " in text
    assert "returned 401: check the setting api_key" in text
    assert "expired-on-saturday" not in text
    with duckdb.connect(str(folder / "warehouse.duckdb")) as warehouse:
        second = warehouse.execute(COUNT).fetchone()
        assert second is not None
        assert second[0] > first[0]
    then = (datetime.now(UTC).date() - timedelta(days=9)).isoformat()
    done = attribution_elt(folder, environment, "report", "--as-of", then, "--output", "then.html")
    assert done.returncode == 0, done.stderr
    past = (folder / "then.html").read_text()
    assert f"{then} 23:59 UTC" in past
    for current in (" have changed: ", "returned 401", "SQL models"):
        assert current in text
        assert current not in past

    for width in (390, 1280):
        for dark in (False, True):
            chromium.show(page, width=width, dark=dark)
            asked = chromium.events_of("Network.requestWillBeSent")
            assert [each["request"]["url"] for each in asked] == [page.resolve().as_uri()]
            assert chromium.events_of("Log.entryAdded") == []
            assert chromium.events_of("Runtime.exceptionThrown") == []
            assert chromium.events_of("Runtime.consoleAPICalled") == []
            wide = chromium.evaluate("document.documentElement.scrollWidth")
            assert wide <= width
            plots = chromium.evaluate("document.querySelectorAll('.plot svg').length")
            assert plots == 2  # revenue, restatements
            lanes = chromium.evaluate("document.querySelectorAll('td.lane svg').length")
            assert lanes == 2  # orders, lines
            colour = chromium.evaluate("getComputedStyle(document.body).backgroundColor")
            assert (sum(map(int, colour[4:-1].split(","))) < 300) is dark
            seen = "getComputedStyle(document.querySelector('svg rect[fill^=var]')).fill"
            assert chromium.evaluate(seen).startswith("rgb(")
            # every card fills the width of the page
            narrow = "[...document.querySelectorAll('.card')].filter(c => c.clientWidth < w)"
            least = 300 if width < 500 else 1000
            assert chromium.evaluate(f"(w => {narrow}.length)({least})") == 0


def test_the_report_reads_postgresql_too(
    sandbox: Sandbox, tmp_path: Path, postgres_url: str
) -> None:
    folder = project(tmp_path / "project")
    environment = variables(sandbox, ["tap-ecdp"], TARGET_WAREHOUSE_URL=postgres_url)
    assert attribution_elt(folder, environment, "run", "ecdp").returncode == 0
    with psycopg.connect(postgres_url) as warehouse:
        noted = warehouse.execute(COUNT).fetchone()
    assert noted is not None
    assert noted[0] > 100
    done = attribution_elt(folder, environment, "report")
    assert done.returncode == 0, done.stderr
    assert "No run failed from " in (folder / "report.html").read_text()
    done = attribution_elt(folder, environment, "report", "--output", "-")
    assert "No run failed from " in done.stdout
    assert not (folder / "-").exists()

    done = attribution_elt(folder, environment, "report", "--output", "nowhere/report.html")
    assert done.returncode == 1
    assert (
        done.stderr == "Error: nowhere/report.html cannot be written: No such file or directory\n"
    )


def test_an_unreachable_warehouse_is_reported_in_one_line(sandbox: Sandbox, tmp_path: Path) -> None:
    folder = project(tmp_path / "project")
    done = attribution_elt(folder, variables(sandbox, ["tap-ecdp"]), "report")
    assert done.returncode == 1
    assert done.stderr == (
        "Error: target-warehouse: warehouse.duckdb does not exist: nothing has been loaded yet\n"
    )
    assert [each.name for each in folder.glob("*.html")] == []
