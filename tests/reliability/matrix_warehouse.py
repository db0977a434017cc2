"""Loads a tap's output into DuckDB, within the test or in processes joined by a pipe."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from target_warehouse.target import TargetWarehouse

from tests.signals import signals_kept
from tests.tap_process import Row, command, environment

Landed = dict[str, list[Row]]
"""Rows by table."""


def load(messages: bytes, path: Path) -> Landed:
    """Load a tap's output into a new DuckDB file and return its tables."""
    path.unlink(missing_ok=True)
    config = {"url": f"duckdb:///{path}", "add_record_metadata": False}
    with signals_kept(), redirect_stdout(io.StringIO()):
        TargetWarehouse(config=config).listen(io.BytesIO(messages))  # type: ignore[arg-type] # bytes
    return landed(path)


def landed(path: Path) -> Landed:
    """Return the tables of a DuckDB file."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        tables = connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
        found: Landed = {}
        for (table,) in tables:
            rows = connection.execute(f'SELECT * FROM "{table}"')
            names = [column[0] for column in rows.description or ()]
            found[table] = [dict(zip(names, row, strict=True)) for row in rows.fetchall()]
    return found


@dataclass(frozen=True)
class Piped:
    """Exit codes of a tap and the loader, their log, and the last state."""

    codes: tuple[int, int]
    stderr: str
    state: Any


def pipe(tap: str, config: Mapping[str, Any], state: Any, folder: Path) -> Piped:
    """Run a tap and the loader as processes, into `warehouse.duckdb` of a folder."""
    folder.mkdir(exist_ok=True)
    for part in ("tap", "target"):
        (folder / part).mkdir(exist_ok=True)
    url = {"url": f"duckdb:///{folder}/warehouse.duckdb", "add_record_metadata": False}
    tapping = command(folder / "tap", tap, config=config, state=state)
    loading = command(folder / "target", "target-warehouse", config=url)
    log = folder / "log.txt"
    variables = environment("DEBUG")
    with log.open("wb") as errors:
        first = subprocess.Popen(tapping, stdout=subprocess.PIPE, stderr=errors, env=variables)
        with first:
            second = subprocess.run(
                loading,
                stdin=first.stdout,
                stdout=subprocess.PIPE,
                stderr=errors,
                timeout=120,
                check=False,
                env=variables,
            )
    states = second.stdout.splitlines()
    last = json.loads(states[-1]) if states else state
    return Piped((first.returncode, second.returncode), log.read_text(), last)
