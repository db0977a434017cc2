from __future__ import annotations

import json
import signal
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
from click import unstyle

from attribution_elt.meltano.failures import ELSEWHERE
from attribution_elt.sandbox import Sandbox
from attribution_elt.sandbox.faults import Fault
from tests.operating import at_a_terminal, attribution_elt, interrupted, variables
from tests.pipeline.meltano import project


@pytest.fixture
def sandbox() -> Iterable[Sandbox]:
    """Serve the vendors with today's date, because the taps read up to the real day."""
    with Sandbox(seed=7, today=datetime.now(UTC).date()) as fresh:
        yield fresh


def events(printed: str, kind: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in printed.splitlines()]
    return [event for event in found if event["event"] == kind]


def test_a_run_prints_its_counts_and_the_warehouse_keeps_them(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    folder = project(tmp_path / "project")
    environment = variables(sandbox, ["tap-ecdp"])
    done = attribution_elt(folder, environment, "run", "ecdp")
    assert done.returncode == 0, done.stdout
    (progress,) = events(done.stdout, "progress")
    assert progress["units_done"] == progress["units_total"] > 1
    (summary,) = events(done.stdout, "summary")
    rows = {each["stream"]: each["inserted"] for each in summary["streams"]}
    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as warehouse:
        for stream, inserted in rows.items():
            counted = warehouse.execute(f"SELECT count(*) FROM tap_ecdp.{stream}").fetchone()
            assert counted == (inserted,)
        kept = warehouse.execute("SELECT run_id, stream, inserted FROM tap_ecdp._runs").fetchall()
    assert {(stream, inserted) for _, stream, inserted in kept} == set(rows.items())
    assert {run_id for run_id, _, _ in kept} == {summary["run_id"]}
    again = attribution_elt(folder, environment, "run", "tap-ecdp", "target-warehouse")
    (summary,) = events(again.stdout, "summary")
    assert {each["inserted"] for each in summary["streams"]} == {0}
    assert {each["unchanged"] > 0 for each in summary["streams"]} == {True}


def test_failures_are_printed_and_kept_by_stream(
    sandbox: Sandbox, tmp_path: Path, postgres_url: str
) -> None:
    folder = project(tmp_path / "project")
    sandbox.adtraction.faults.add(Fault("status", status=404, match="products/feed"))
    environment = variables(sandbox, ["tap-adtraction"], TARGET_WAREHOUSE_URL=postgres_url)
    done = attribution_elt(folder, environment, "run", "adtraction")
    assert done.returncode == 1
    (summary,) = events(done.stdout, "summary")
    (failure,) = summary["failures"]
    assert failure.startswith("tap-adtraction: failed; the next run retries it: Adtraction, feed")
    assert summary["failed_units"] == 1
    with psycopg.connect(postgres_url) as warehouse:
        kept = warehouse.execute(
            "SELECT stream, complete, failed_units, message FROM tap_adtraction._runs"
        ).fetchall()
    by_stream = {stream: rest for stream, *rest in kept}
    assert by_stream["products"][:2] == [False, 1]
    assert by_stream["products"][2] in failure
    assert by_stream["programs"][1:] == [0, ELSEWHERE]


def test_refused_credentials_are_recorded_for_every_stream(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    folder = project(tmp_path / "project")
    environment = variables(sandbox, ["tap-ecdp"], TAP_ECDP_API_KEY="expired-on-saturday")
    done = attribution_elt(folder, environment, "run", "ecdp")
    assert done.returncode == 1
    assert "expired" not in done.stdout + done.stderr
    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as warehouse:
        kept = warehouse.execute("SELECT complete, message FROM tap_ecdp._runs").fetchall()
    assert len(kept) == 2
    for complete, message in kept:
        assert complete is False
        assert message.endswith("returned 401: check the setting api_key")


def test_a_terminal_shows_a_summary(sandbox: Sandbox, tmp_path: Path) -> None:
    folder = project(tmp_path / "project")
    code, lines = at_a_terminal(folder, variables(sandbox, ["tap-ecdp"]), "run", "ecdp")
    assert code == 0
    assert any("of 9 units" in line for line in lines)
    assert not any("{" in line for line in lines)
    header = unstyle(lines[-4]).rpartition("tap ")[2]  # the status line ends before it
    assert header.split()[:2] == ["stream", "records"]
    assert lines[-3].split()[:2] == ["tap-ecdp", "attributed_order_lines"]
    assert "\033[32msucceeded\033[0m" in lines[-1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_with_its_summary(
    sandbox: Sandbox, tmp_path: Path, number: signal.Signals
) -> None:
    folder = project(tmp_path / "project")
    exit_code, printed = interrupted(sandbox, number, folder, "run", "ecdp")
    assert exit_code == 128 + number
    (summary,) = events(printed, "summary")
    assert summary["exit_code"] == 128 + number
    (failure,) = summary["failures"]
    assert "interrupted; " in failure
    assert failure.endswith(" records are committed; run it again to resume")


def test_an_unknown_block_is_a_failure(sandbox: Sandbox, tmp_path: Path) -> None:
    folder = project(tmp_path / "project")
    done = attribution_elt(folder, variables(sandbox, []), "run", "--full-refresh", "nope")
    assert done.returncode == 1
    (summary,) = events(done.stdout, "summary")
    assert summary["failures"] == ["Block nope not found"]
