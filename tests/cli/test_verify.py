"""`attribution-elt verify` with Meltano, the sandbox and a warehouse."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner
from tap_ignite.tap import TapIgnite

from attribution_elt.cli.verify import verify
from attribution_elt.meltano.project import Extractor, Project
from attribution_elt.sandbox import Sandbox
from attribution_elt.sandbox.faults import Fault
from tests.operating import attribution_elt, interrupted, variables
from tests.pipeline.meltano import project

TODAY = datetime.now(UTC).date()
DAYS = (f"--from={TODAY - timedelta(days=9)}", f"--to={TODAY - timedelta(days=3)}")
DAMAGED = TODAY - timedelta(days=5)


@pytest.fixture
def sandbox() -> Iterable[Sandbox]:
    with Sandbox(seed=7, today=TODAY) as fresh:
        yield fresh


def test_days_are_compared_and_repaired(sandbox: Sandbox, tmp_path: Path) -> None:
    folder = project(tmp_path / "project")
    environment = variables(sandbox, ["tap-ecdp"])
    verify = ("verify", "tap-ecdp", *DAYS)
    assert attribution_elt(folder, environment, "run", "ecdp").returncode == 0
    same = attribution_elt(folder, environment, *verify)
    assert same.returncode == 0, same.stdout + same.stderr
    notes = [json.loads(line) for line in same.stdout.splitlines()]
    assert "about 2 requests, about 12 seconds" in notes[0]["message"]
    asked = sandbox.ecdp.requests[-1].query
    assert asked["endDate"] == [str(TODAY - timedelta(days=2))]

    file = str(folder / "warehouse.duckdb")
    with duckdb.connect(file) as warehouse:
        table = "tap_ecdp.attributed_orders"
        keys = warehouse.execute(
            f"SELECT website_id, order_id FROM {table} WHERE order_date_time::date = '{DAMAGED}'"
        ).fetchall()
        one, other, third = (f"(website_id, order_id) = {key}" for key in keys[:3])
        written = rows_written(warehouse)
        warehouse.execute(f"DELETE FROM {table} WHERE {one}")
        warehouse.execute(f"INSERT INTO {table} SELECT * FROM {table} WHERE {third}")
        warehouse.execute(f"UPDATE {table} SET channel = 'x' WHERE {other}")
        runs = warehouse.execute("SELECT count(*) FROM tap_ecdp._runs").fetchone()
    damaged = attribution_elt(folder, environment, *verify, "--json")
    assert damaged.returncode == 1
    result = json.loads(damaged.stdout)
    assert "about 2 requests" in damaged.stderr
    assert (result["differs"], result["repaired"], result["failures"]) == (True, False, [])
    orders = next(each for each in result["streams"] if each["stream"] == "attributed_orders")
    counts = [orders[name] for name in ("modified", "missing", "extra", "repeated")]
    assert counts == [1, 1, 1, 1]
    assert {each["unit"]["order_date_time"] for each in orders["units"]} == {str(DAMAGED)}
    assert orders["modified_columns"] == {"channel": 1}
    with duckdb.connect(file) as warehouse:
        assert warehouse.execute("SELECT count(*) FROM tap_ecdp._runs").fetchone() == runs

    repaired = attribution_elt(folder, environment, *verify, "--repair", "--json")
    assert repaired.returncode == 0, repaired.stderr
    assert json.loads(repaired.stdout)["repaired"]
    with duckdb.connect(file) as warehouse:
        rewritten = rows_written(warehouse) ^ written
    assert {each[:2] for each in rewritten} <= set(keys[:3])
    assert attribution_elt(folder, environment, *verify).returncode == 0


def rows_written(warehouse: duckdb.DuckDBPyConnection) -> set[tuple[Any, ...]]:
    """Return the keys of the orders, and when each was written."""
    columns = "website_id, order_id, _sdc_batched_at"
    return set(warehouse.execute(f"SELECT {columns} FROM tap_ecdp.attributed_orders").fetchall())


def test_a_tap_without_ranges_is_compared_as_a_whole(sandbox: Sandbox, tmp_path: Path) -> None:
    folder = project(tmp_path / "project")
    environment = variables(sandbox, ["tap-adtraction"])
    assert attribution_elt(folder, environment, "run", "adtraction").returncode == 0
    with duckdb.connect(str(folder / "warehouse.duckdb")) as warehouse:
        warehouse.execute("DELETE FROM tap_adtraction.channels")
        warehouse.execute("UPDATE tap_adtraction.programs SET program_name = 'x'")
    done = attribution_elt(folder, environment, "verify", "tap-adtraction", "--json", "--repair")
    result = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    found = {each["stream"]: each for each in result["streams"]}
    assert found["channels"]["missing"] > 0
    assert set(found["programs"]["modified_columns"]) == {"program_name"}
    assert found["products"]["identical"] > 0
    assert not found["products"]["modified"]


@pytest.mark.parametrize("option", DAYS)
def test_days_of_a_tap_without_ranges_are_refused(option: str) -> None:
    made = Project("dev")
    account = {"websites": [{"token": "made-up", "secret": "made-up"}]}
    made.extractors = {"tap-ignite": Extractor("tap-ignite", TapIgnite, "tap_ignite", account)}
    done = CliRunner().invoke(verify, ["tap-ignite", option], obj=made)
    assert str(done.exception) == "tap-ignite is compared as a whole: leave out --from and --to"


def test_missing_days_an_unreachable_warehouse_and_a_failed_request_are_one_line(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    folder = project(tmp_path / "project")
    environment = variables(sandbox, ["tap-ecdp"])
    done = attribution_elt(folder, environment, "verify", "tap-ecdp")
    assert done.returncode == 1
    assert done.stderr == "Error: tap-ecdp is compared by days: set --from and --to\n"
    away = environment | {"TARGET_WAREHOUSE_URL": "postgresql://127.0.0.1:9/shop"}
    done = attribution_elt(folder, away, "verify", "tap-ecdp", *DAYS)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: target-warehouse cannot be used: connection failed")
    assert done.stderr.count("\n") == 1
    sandbox.ecdp.faults.add(Fault("status", status=401, times=None))
    done = attribution_elt(folder, environment, "verify", "tap-ecdp", *DAYS, "--json")
    assert done.returncode == 1
    assert "returned 401: check the setting api_key" in str(json.loads(done.stdout)["failures"])


def test_a_signal_decides_the_exit_code(sandbox: Sandbox, tmp_path: Path) -> None:
    folder = project(tmp_path / "project")
    command = ("verify", "tap-ecdp", *DAYS, "--json")
    exit_code, printed = interrupted(sandbox, signal.SIGTERM, folder, *command)
    assert exit_code == 128 + signal.SIGTERM
    assert "interrupted; " in str(json.loads(printed)["failures"])
