"""The warehouses that the loader is tested on: run it, read back what it wrote."""

from __future__ import annotations

import abc
import contextlib
import dataclasses
import io
import json
import os
import subprocess
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import psycopg
from typing_extensions import override

from targets.warehouse.target import TargetWarehouse

EXECUTABLE = Path(sysconfig.get_path("scripts")) / "target-warehouse"

Line = Mapping[str, Any] | str


def schema(stream: str, keys: Iterable[str] = ("id",), **properties: Any) -> dict[str, Any]:
    """A SCHEMA message; `properties` are JSON schemas, or names of types."""
    described = {
        name: {"type": [value, "null"]} if isinstance(value, str) else value
        for name, value in properties.items()
    }
    return {
        "type": "SCHEMA",
        "stream": stream,
        "key_properties": list(keys),
        "schema": {"type": "object", "properties": described},
    }


def record(stream: str, **values: Any) -> dict[str, Any]:
    return {"type": "RECORD", "stream": stream, "record": values}


def raw_record(stream: str, text: str) -> str:
    """A RECORD message whose record is this text, to the letter."""
    return f'{{"type": "RECORD", "stream": "{stream}", "record": {text}}}'


def state(value: Any) -> dict[str, Any]:
    return {"type": "STATE", "value": value}


def singer(lines: Iterable[Line]) -> str:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    return "".join(f"{text}\n" for text in texts)


@dataclasses.dataclass
class Run:
    """What a run of the loader left."""

    states: list[Any]
    error: Exception | None = None
    code: int = 0
    stderr: str = ""


class Warehouse(abc.ABC):
    """A database of the test's own."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder

    def load(self, *lines: Line, fails: bool = False, **settings: Any) -> Run:
        """Run the loader in this process."""
        config = {"url": self.url, "add_record_metadata": False, **settings}
        output = io.StringIO()
        error = None
        with contextlib.redirect_stdout(output):
            try:
                TargetWarehouse(config=config).listen(io.StringIO(singer(lines)))
            except Exception as raised:
                if not fails:
                    raise
                error = raised
        assert (error is not None) is fails
        return Run(list(map(json.loads, output.getvalue().splitlines())), error)

    def execute(
        self, *lines: Line, environment: Mapping[str, str] | None = None, **settings: Any
    ) -> Run:
        """Run the real executable."""
        done = subprocess.run(
            self.command(**settings),
            input=singer(lines),
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **(environment or {})},
        )
        states = list(map(json.loads, done.stdout.splitlines()))
        return Run(states, code=done.returncode, stderr=done.stderr)

    def command(self, **settings: Any) -> list[str | Path]:
        config = self.folder / "config.json"
        config.write_text(json.dumps({"url": self.url, **settings}))
        return [EXECUTABLE, "--config", config]

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Query the database."""
        with self.connected() as connection:
            rows: list[tuple[Any, ...]] = connection.execute(sql).fetchall()
            return rows

    def types(self, table: str) -> dict[str, str]:
        """The columns of a table, with the types that the database shows."""
        rows = self.rows(
            "SELECT column_name, data_type FROM information_schema.columns "
            f"WHERE table_name = '{table}' ORDER BY ordinal_position"
        )
        return dict(rows)

    def tables(self) -> set[str]:
        rows = self.rows(
            "SELECT table_name FROM information_schema.tables "
            "WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"
        )
        return {name for (name,) in rows}

    @abc.abstractmethod
    def connected(self) -> contextlib.AbstractContextManager[Any]:
        """A connection whose session is in UTC."""


class DuckDB(Warehouse):
    @override
    @contextlib.contextmanager
    def connected(self) -> Iterator[Any]:
        with duckdb.connect(self.folder / "warehouse.duckdb") as connection:
            connection.execute("SET TimeZone = 'UTC'")
            yield connection


class PostgreSQL(Warehouse):
    @override
    @contextlib.contextmanager
    def connected(self) -> Iterator[Any]:
        with psycopg.connect(self.url, options="-c TimeZone=UTC") as connection:
            yield connection
