"""A database that becomes unreachable during a load.

A batch is loaded again after a lost connection, unless it was committed. If the response to a
COMMIT is lost, the loader asks the server; otherwise rows without a key would be doubled.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.targets.target_warehouse.processes import (
    InSteps,
    Loading,
    Source,
    assert_complete,
    assert_covered,
    assert_one_clear_line,
)
from tests.targets.target_warehouse.proxy import Proxy
from tests.targets.target_warehouse.warehouses import Line, PostgreSQL, record, schema, state

SOURCE = Source(records=2_000)
BATCHES = {"batch_size_rows": 60}
OURS = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


@pytest.fixture
def proxy(postgres_url: str) -> Iterator[Proxy]:
    with Proxy(postgres_url) as proxy:
        yield proxy


def start(proxy: Proxy, folder: Path) -> Loading:
    return Loading(PostgreSQL(proxy.url, folder), SOURCE.lines(), **BATCHES)


@pytest.mark.parametrize("seed", range(3))
def test_a_connection_that_is_lost(
    proxy: Proxy, postgresql: PostgreSQL, tmp_path: Path, seed: int
) -> None:
    proxy.cuts = dict.fromkeys(random.Random(seed).sample(range(300, 300_000), 3), 0)
    run = start(proxy, tmp_path).end()

    assert (run.code, proxy.cuts) == (0, {}), run.stderr
    assert_complete(postgresql, SOURCE, once=True)


def test_a_database_that_is_unreachable_for_a_while(
    proxy: Proxy, postgresql: PostgreSQL, tmp_path: Path
) -> None:
    proxy.cuts = {100_000: 3}
    run = start(proxy, tmp_path).end()

    assert run.code == 0, run.stderr
    assert_complete(postgresql, SOURCE, once=True)


def test_a_database_that_is_unreachable_permanently(
    proxy: Proxy, postgresql: PostgreSQL, tmp_path: Path
) -> None:
    loading = start(proxy, tmp_path)
    loading.wait_for(3)
    proxy.go_away()
    run = loading.end()

    assert_one_clear_line(run)
    assert_covered(postgresql, SOURCE, run.states[-1])
    again = Loading(postgresql, SOURCE.lines(run.states[-1]), **BATCHES).end()
    assert again.code == 0
    assert_complete(postgresql, SOURCE)


@pytest.mark.parametrize("is_done", [True, False])
@pytest.mark.parametrize("commit", [3, 5, 20])
def test_a_connection_that_is_lost_during_commit(
    proxy: Proxy, postgresql: PostgreSQL, tmp_path: Path, commit: int, is_done: bool
) -> None:
    proxy.commits = {commit: is_done}
    run = start(proxy, tmp_path).end()

    assert (run.code, proxy.commits) == (0, {}), run.stderr
    assert_complete(postgresql, SOURCE, once=True)


@pytest.mark.parametrize(("method", "counts"), [("upsert", (8, 4)), ("overwrite", (12, 0))])
def test_every_transaction_loses_the_response_to_its_commit(
    proxy: Proxy, postgresql: PostgreSQL, tmp_path: Path, method: str, counts: tuple[int, int]
) -> None:
    settings: dict[str, Any] = {"load_method": method, "add_record_metadata": True}

    def lines(ids: range, note: str) -> list[Line]:
        rows = [record("orders", id=number, note=note) for number in ids]
        return [schema("orders", id="integer", note="string"), *rows, state(note)]

    postgresql.load(*lines(range(5), "old"), **settings)
    # the COMMIT between two of these ends the question whether the first one took place
    proxy.commits = dict.fromkeys(range(1, 200, 2), True)
    loading = Loading(PostgreSQL(proxy.url, tmp_path), lines(range(1, 13), "new"), **settings)
    run = loading.end()

    assert (run.code, run.states) == (0, ["new"]), run.stderr
    rows = postgresql.rows("SELECT note, count(*) FROM orders GROUP BY note ORDER BY note DESC")
    assert rows == [("old", 1), ("new", 12)][method == "overwrite" :]
    done = postgresql.rows("SELECT inserted, updated FROM _runs ORDER BY started_at DESC LIMIT 1")
    assert done == [counts]


@pytest.mark.parametrize("end", ["terminate", "crash"])
def test_backends_that_end(postgresql: PostgreSQL, end: str) -> None:
    lines = InSteps(SOURCE.lines())
    loading = Loading(postgresql, lines, **BATCHES)
    for step in (1, 2, 3):
        lines.let_through(500)
        loading.wait_for(step)
        if end == "terminate":
            postgresql.rows(f"SELECT pg_terminate_backend(pid) {OURS}")
        elif step == 2:
            [(backend,)] = postgresql.rows(f"SELECT pid {OURS}")
            os.kill(backend, signal.SIGKILL)  # then the server ends all others and recovers
    lines.let_through(10**6)
    run = loading.end()

    assert run.code == 0, run.stderr
    assert_complete(postgresql, SOURCE, once=True)
