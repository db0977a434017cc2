"""Orders vanish for 60 days, with failed windows and killed processes; `-s` prints the figures."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.reliability.database import Database, File
from tests.reliability.fork_server import ForkServer
from tests.reliability.vanishing import simulate

DAYS = int(os.environ.get("RELIABILITY_DAYS", "60"))
KILLS = int(os.environ.get("RELIABILITY_KILLS", "200"))
SEED = int(os.environ.get("RELIABILITY_SEED", "1"))


@pytest.mark.parametrize("kind", ["postgresql", "duckdb"])
def test_vanished_orders_leave_the_table_and_no_other(
    kind: str, forks: ForkServer, server: Database, tmp_path: Path
) -> None:
    database = server if kind == "postgresql" else File(tmp_path)
    days = simulate(DAYS, KILLS, forks, database, tmp_path, seed=SEED)
    print(f"\nvanishing orders, {kind}, seed {SEED}: {days}")  # noqa: T201 - the purpose of the test
    assert not days.errors, str(days)
    assert days.changes > len(days.vanished)
    assert len(days.vanished) >= DAYS * 8
    assert days.failed
    assert days.complete > DAYS / 3
