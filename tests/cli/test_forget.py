"""`attribution-elt forget` in a project that has loaded three vendors."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from attribution_elt.sandbox import Sandbox
from tests import people
from tests.operating import attribution_elt, variables
from tests.pipeline.meltano import project
from tests.reliability.days import shrink

PEOPLE = 12
JANE = people.address(3)
OTHERS = "SELECT count(*), sum(order_value_converted) FROM tap_ecdp.attributed_orders"


def files_with(folder: Path, text: str) -> list[str]:
    return sorted(
        str(each.relative_to(folder))
        for each in folder.rglob("*")
        if each.is_file() and text.lower().encode() in each.read_bytes().lower()
    )


def test_a_person_is_forgotten_and_does_not_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people.share(monkeypatch, PEOPLE)
    with Sandbox(seed=7) as sandbox:
        shrink(sandbox)
        sandbox.ecdp.orders_per_day, sandbox.ecdp.history_days = 5, 9
        sandbox.attribution_io.customer_count = PEOPLE
        sandbox.ignite.sizes.visitors = PEOPLE
        folder = project(tmp_path / "project")
        customers = folder / "customers.csv"
        customers.write_text(
            "client_id\n" + "".join(f"{people.address(n)}\n" for n in range(1, PEOPLE + 1))
        )
        taps = ["tap-ecdp", "tap-ignite", "tap-attribution-io"]
        environment = variables(sandbox, taps, TAP_ATTRIBUTION_IO_CUSTOMER_IDS_FILE="customers.csv")
        environment.pop("TAP_ATTRIBUTION_IO_CUSTOMER_IDS", None)
        jobs = ("run", "ecdp", "ignite", "attribution-io")
        done = attribution_elt(folder, environment, *jobs)
        assert done.returncode == 0, done.stdout + done.stderr
        (folder / "notes.log").write_text(f"asked for {JANE} today\n")
        with closing(sqlite3.connect(folder / ".meltano" / "meltano.db")) as database, database:
            database.execute("CREATE TABLE notes (text TEXT)")
            database.execute("INSERT INTO notes VALUES (?)", (f'{{"a": "{JANE}"}}',))
        assert set(files_with(folder, JANE)) >= {"customers.csv", "notes.log", "warehouse.duckdb"}

        planned = attribution_elt(folder, environment, "forget", "--email", JANE, "--dry-run")
        assert planned.returncode == 0, planned.stdout + planned.stderr
        assert "attributed_orders: " in planned.stdout
        assert "customers.csv: to erase" in planned.stdout
        assert not (folder / ".env").exists()
        with duckdb.connect(folder / "warehouse.duckdb") as warehouse:
            [before] = warehouse.execute(OTHERS).fetchall()

        done = attribution_elt(folder, environment, "forget", "--email", f" {JANE.upper()} ")
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.splitlines()[-1] == "nothing is left"
        assert "example" not in done.stdout.lower() + done.stderr.lower()
        assert files_with(folder, JANE) == []
        assert (folder / ".env").stat().st_mode & 0o077 == 0
        assert len(customers.read_text().splitlines()) == PEOPLE

        done = attribution_elt(folder, environment, *jobs)
        assert done.returncode == 0, done.stdout + done.stderr
        assert files_with(folder, JANE) == []
        with duckdb.connect(folder / "warehouse.duckdb") as warehouse:
            assert warehouse.execute(OTHERS).fetchall() == [before]
        done = attribution_elt(folder, environment, "forget", "--email", JANE)
        assert done.returncode == 0
        assert " erased, " not in done.stdout
