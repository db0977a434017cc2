from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
from tap_ecdp.tap import TapEcdp

from attribution_elt.cli.backfill import refuse
from attribution_elt.core.errors import OpsError
from attribution_elt.kit.tap import VendorTap
from attribution_elt.kit.windows import Window
from attribution_elt.sandbox import Sandbox
from attribution_elt.sandbox.faults import Fault
from tests.operating import TAP_TYPES, attribution_elt, extractor, variables
from tests.pipeline.meltano import SCRIPTS, project

TODAY = datetime.now(UTC).date()
FIRST, LAST = TODAY - timedelta(days=50), TODAY - timedelta(days=36)
RANGE = ("backfill", "tap-ecdp", f"--from={FIRST}", f"--to={LAST}", "--slice=5d")
FORWARD = "dev:tap-ecdp-to-target-warehouse"


@pytest.fixture
def sandbox() -> Iterable[Sandbox]:
    """Serve the vendors with today's date, because the taps read up to the real day."""
    with Sandbox(seed=7, today=TODAY) as fresh:
        yield fresh


def state(folder: Path, environment: Mapping[str, str], state_id: str) -> Any:
    done = subprocess.run(
        [str(SCRIPTS / "meltano"), "state", "get", state_id],
        cwd=folder,
        env=dict(environment),
        capture_output=True,
        check=True,
    )
    return json.loads(done.stdout)


def notes(printed: str) -> list[str]:
    found = [json.loads(line) for line in printed.splitlines()]
    return [event["message"] for event in found if event["event"] == "note"]


def days_asked_for(sandbox: Sandbox, since: int = 0) -> list[tuple[str, str]]:
    """Return the first and last day of each request, beginning with one of them."""
    queries = [each.query for each in sandbox.ecdp.requests[since:]]
    return sorted((query["startDate"][0], query["endDate"][0]) for query in queries)


def orders(sandbox: Sandbox, first: date, last: date) -> set[str]:
    return {
        order["orderId"]
        for order in sandbox.ecdp.truth()
        if str(first) <= order["orderDateTime"][:10] <= str(last)
    }


def test_a_backfill_loads_past_days_and_keeps_the_bookmark(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    folder = project(tmp_path / "project")
    recent = TODAY - timedelta(days=3)
    environment = variables(sandbox, ["tap-ecdp"], TAP_ECDP_START_DATE=str(recent))
    assert attribution_elt(folder, environment, "run", "ecdp").returncode == 0
    before, asked = state(folder, environment, FORWARD), len(sandbox.ecdp.requests)

    planned = attribution_elt(folder, environment, *RANGE, "--dry-run")
    (plan,) = notes(planned.stdout)
    assert plan == (
        f"tap-ecdp into target-warehouse, {FIRST}..{LAST}: 3 slices, 3 requests, "
        "about 33 seconds at 10 s to start a slice and 1 s a request"
    )
    assert len(sandbox.ecdp.requests) == asked

    done = attribution_elt(folder, environment, *RANGE)
    assert done.returncode == 0, done.stdout
    starts = [FIRST + timedelta(days=days) for days in (0, 5, 10)]
    assert days_asked_for(sandbox, asked) == [
        (str(start), str(start + timedelta(days=4))) for start in starts
    ]
    assert notes(done.stdout)[-1] == f"tap-ecdp: {FIRST}..{LAST} is complete"
    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as warehouse:
        landed = warehouse.execute("SELECT order_id FROM tap_ecdp.attributed_orders").fetchall()
    assert {id_ for (id_,) in landed} == orders(sandbox, FIRST, LAST) | orders(
        sandbox, recent, TODAY
    )
    assert state(folder, environment, FORWARD) == before


def test_the_same_command_resumes_an_interrupted_backfill(sandbox: Sandbox, tmp_path: Path) -> None:
    folder = project(tmp_path / "project")
    environment = variables(sandbox, ["tap-ecdp"])
    third = FIRST + timedelta(days=10)
    sandbox.ecdp.faults.add(Fault("status", status=401, match=f"startDate={third}"))
    stopped = attribution_elt(folder, environment, *RANGE)
    assert stopped.returncode == 1
    assert notes(stopped.stdout)[-1] == "stopped; run the same command again to resume"
    asked = len(sandbox.ecdp.requests)
    done = attribution_elt(folder, environment, *RANGE)
    assert done.returncode == 0, done.stdout
    assert notes(done.stdout)[0].startswith(
        f"tap-ecdp into target-warehouse, {FIRST}..{LAST}: "
        f"complete until {third - timedelta(days=1)}; 1 slice, 1 request, "
    )
    assert days_asked_for(sandbox, asked) == [(str(third), str(LAST))]
    complete = attribution_elt(folder, environment, *RANGE)
    (note,) = notes(complete.stdout)
    assert note.endswith("complete; --again reloads it")
    asked = len(sandbox.ecdp.requests)
    again = attribution_elt(folder, environment, *RANGE, "--again", "--slice=15d")
    assert again.returncode == 0
    starts = (FIRST, FIRST + timedelta(days=7), LAST - timedelta(days=1))
    assert [first for first, _ in days_asked_for(sandbox, asked)] == list(map(str, starts))


def test_a_scheduled_run_at_the_same_time_succeeds(
    sandbox: Sandbox, tmp_path: Path, postgres_url: str
) -> None:
    folder = project(tmp_path / "project")
    environment = variables(sandbox, ["tap-ecdp"], TARGET_WAREHOUSE_URL=postgres_url)
    attribution_elt(folder, environment, *RANGE, "--dry-run")  # creates Meltano's own database
    sandbox.ecdp.latency = 0.5
    with ThreadPoolExecutor() as pool:
        forward = pool.submit(attribution_elt, folder, environment, "run", "ecdp")
        past = pool.submit(attribution_elt, folder, environment, *RANGE, "--slice=15d")
    assert forward.result().returncode == 0, forward.result().stdout
    assert past.result().returncode == 0, past.result().stdout
    with psycopg.connect(postgres_url) as warehouse:
        landed = warehouse.execute("SELECT order_id FROM tap_ecdp.attributed_orders").fetchall()
    assert {id_ for (id_,) in landed} >= orders(sandbox, TODAY - timedelta(days=60), TODAY)


@pytest.mark.parametrize("tap", [each for each in TAP_TYPES if each is not TapEcdp])
def test_a_tap_without_backfills_gives_the_reason(sandbox: Sandbox, tap: type[VendorTap]) -> None:
    with pytest.raises(OpsError, match="cannot load a range of past days: "):
        refuse(extractor(sandbox, tap), Window(FIRST, LAST))


@pytest.mark.parametrize(
    ("first", "last", "reason"),
    [
        (LAST, FIRST, f"--to {FIRST} is before --from {LAST}"),
        (LAST, TODAY + timedelta(days=2), "is in the future: today is"),  # midnight may pass
    ],
)
def test_impossible_days_are_refused(
    sandbox: Sandbox, first: date, last: date, reason: str
) -> None:
    with pytest.raises(OpsError, match=reason):
        refuse(extractor(sandbox, TapEcdp), Window(first, last))


def test_a_backfill_needs_credentials(sandbox: Sandbox) -> None:
    with pytest.raises(OpsError, match="tap-ecdp has no credentials: set TAP_ECDP_API_KEY"):
        refuse(extractor(sandbox, TapEcdp, api_key=""), Window(FIRST, LAST))


@pytest.mark.parametrize("given", ["0d", "7", "week", "-1d"])
def test_a_slice_is_a_number_of_days(tmp_path: Path, given: str) -> None:
    folder = project(tmp_path / "project")
    done = attribution_elt(folder, variables_of_nobody(), *RANGE[:-1], f"--slice={given}")
    assert done.returncode == 2
    assert f"{given!r} is not a" in done.stderr


def variables_of_nobody() -> dict[str, str]:
    with Sandbox() as sandbox:
        return variables(sandbox, [])
