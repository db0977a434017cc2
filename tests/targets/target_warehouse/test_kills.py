"""A load that ends in the middle is taken up again, and nothing is missing.

Set `WAREHOUSE_KILLS=100` to kill more often than the suite does.
"""

from __future__ import annotations

import os
import random
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.targets.target_warehouse.processes import (
    Loading,
    Source,
    assert_complete,
    assert_covered,
    position,
)
from tests.targets.target_warehouse.warehouses import DuckDB, PostgreSQL, SQLite, Warehouse

KILLS = int(os.environ.get("WAREHOUSE_KILLS", "8"))
BATCHES = {"batch_size_rows": 60}


def kill_again_and_again(warehouse: Warehouse, kills: int, seed: int) -> None:
    rng = random.Random(seed)
    source = Source(records=2_000 * kills)
    reached: Any = None
    killed = 0
    while killed < kills:
        loading = Loading(warehouse, source.lines(reached), **BATCHES)
        if rng.random() < 0.25:  # while it starts
            threading.Event().wait(rng.random() * 1.5)
        else:
            loading.wait_for(rng.randrange(1, 20))
            threading.Event().wait(rng.random() * 0.05)
        run = loading.end(by=signal.SIGKILL)
        assert run.code == -signal.SIGKILL, run.stderr
        killed += 1
        before, reached = reached, [reached, *run.states][-1]
        for stream in ("orders", "lines", "visits"):
            assert position(reached, stream) >= position(before, stream)
        assert_covered(warehouse, source, reached)
    last = Loading(warehouse, source.lines(reached), batch_size_rows=5_000).end()
    assert (last.code, position(last.states[-1], "visits")) == (0, source.records), last.stderr
    assert_complete(warehouse, source)


@pytest.mark.parametrize("seed", [1])
def test_killed_at_random_moments_of_a_load_into_postgresql(
    postgres_url: str, tmp_path: Path, seed: int
) -> None:
    kill_again_and_again(PostgreSQL(postgres_url, tmp_path), KILLS, seed)


@pytest.mark.parametrize(
    ("kind", "url"),
    [(DuckDB, "duckdb:///{}/warehouse.duckdb"), (SQLite, "sqlite:///{}/warehouse.db")],
)
def test_killed_at_random_moments_of_a_load_into_a_file(
    tmp_path: Path, kind: type[Warehouse], url: str
) -> None:
    kill_again_and_again(kind(url.format(tmp_path), tmp_path), max(KILLS // 3, 1), seed=2)


@pytest.mark.parametrize("signal_", [signal.SIGTERM, signal.SIGINT])
def test_a_terminated_load_keeps_all_records_that_it_received(
    warehouse: Warehouse, signal_: signal.Signals
) -> None:
    source = Source(records=20_000)
    loading = Loading(warehouse, source.lines(), **BATCHES)
    loading.wait_for(3)
    run = loading.end(by=signal_)

    assert run.code == 128 + signal_
    assert "Traceback" not in run.stderr
    assert_covered(warehouse, source, run.states[-1])
    for stream in ("orders", "lines", "visits"):
        [(last,)] = warehouse.rows(f"SELECT max(position) FROM {stream}")
        # Only what came after the last STATE message that it took in is not covered.
        assert last - position(run.states[-1], stream) <= source.interval


def test_the_reader_of_the_pipe_has_exited(warehouse: Warehouse) -> None:
    source = Source(records=20_000)
    run = Loading(warehouse, source.lines(), deaf_after=2, **BATCHES).end()

    assert run.code == 1
    assert "Traceback" not in run.stderr
    assert "Exception ignored" not in run.stderr
    assert run.stderr.splitlines()[-1].startswith("Error: ")
    assert_covered(warehouse, source, run.states[-1])
