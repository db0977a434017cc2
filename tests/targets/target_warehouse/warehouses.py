"""The warehouses of the tests: run the loader, and read back the rows."""

from __future__ import annotations

import abc
import contextlib
import dataclasses
import io
import json
import logging
import os
import re
import sqlite3
import subprocess
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import duckdb
import psycopg
import pytest
from target_warehouse.target import TargetWarehouse
from typing_extensions import override

from tests import leaks

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


def date_time(format_: str = "date-time") -> dict[str, Any]:
    """The type of a property that may be a text in this format, or null."""
    return {"type": ["string", "null"], "format": format_}


def record(stream: str, **values: Any) -> dict[str, Any]:
    return {"type": "RECORD", "stream": stream, "record": values}


def raw_record(stream: str, text: str) -> str:
    """Return a RECORD message with this text as its record."""
    return f'{{"type": "RECORD", "stream": "{stream}", "record": {text}}}'


def state(value: Any) -> dict[str, Any]:
    return {"type": "STATE", "value": value}


def singer(lines: Iterable[Line]) -> str:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    return "".join(f"{text}\n" for text in texts)


def exactly(value: Any) -> Decimal | None:
    """Return a database's number exactly: as the shortest text of a double, or as text."""
    return None if value is None else Decimal(str(value))


@dataclasses.dataclass
class Run:
    """The result of a run of the loader."""

    states: list[Any]
    error: Exception | None = None
    code: int = 0
    stderr: str = ""


class Warehouse(abc.ABC):
    """A database of one test."""

    type_names: ClassVar[Mapping[str, str]] = {}
    """PostgreSQL's names of the database's types."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder
        self.settings: dict[str, Any] = {}
        """Settings of all runs."""

    def load(self, *lines: Line, fails: bool = False, **settings: Any) -> Run:
        """Run the loader in this process."""
        config = {"url": self.url, "add_record_metadata": False, **self.settings, **settings}
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
        leaks.guard(done.stdout, done.stderr, settings={"url": self.url, **settings})
        states = list(map(json.loads, done.stdout.splitlines()))
        return Run(states, code=done.returncode, stderr=done.stderr)

    def command(self, **settings: Any) -> list[str | Path]:
        config = self.folder / "config.json"
        config.write_text(json.dumps({"url": self.url, **self.settings, **settings}))
        return [EXECUTABLE, "--config", config]

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Query the database."""
        with self.connected() as connection:
            rows: list[tuple[Any, ...]] = connection.execute(sql).fetchall()
            return rows

    def types(self, table: str) -> dict[str, str]:
        """The columns of a table, with PostgreSQL's names of their types."""
        return {
            name: self.type_names.get(type_, type_.lower()) for name, type_ in self.columns(table)
        }

    def columns(self, table: str) -> list[tuple[str, str]]:
        return self.rows(
            "SELECT column_name, data_type FROM information_schema.columns "
            f"WHERE table_name = '{table}' ORDER BY ordinal_position"
        )

    def tables(self) -> set[str]:
        rows = self.rows(
            "SELECT table_name FROM information_schema.tables "
            "WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"
        )
        return {name for (name,) in rows}

    def path(self, schema: str, table: str) -> str:
        """Return the name of a table in a schema."""
        return f'"{schema}".{table}'

    def as_text(self, column: str, type_: str) -> str:
        """Return SQL for the values of a column as text."""
        del type_
        return f"CAST({column} AS text)"

    @abc.abstractmethod
    def connected(self) -> contextlib.AbstractContextManager[Any]:
        """Return a connection whose session is in UTC."""


class DuckDB(Warehouse):
    type_names = MappingProxyType({"VARCHAR": "text", "DECIMAL(38,2)": "numeric"})

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


class SQLite(Warehouse):
    """SQLite; queries may use casts to text and the current time, as for the others."""

    type_names = MappingProxyType(
        {"INTEGER": "bigint", "TIMESTAMP": "timestamp with time zone", "JSON TEXT": "json"}
    )

    @override
    @contextlib.contextmanager
    def connected(self) -> Iterator[Any]:
        with contextlib.closing(sqlite3.connect(self.folder / "warehouse.db")) as connection:
            connection.create_function("shown", 1, _shown)
            connection.create_function("ago", 1, _ago)
            yield connection

    @override
    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        sql = re.sub(r"(\w+|\"\w+\")::text", r"shown(\1)", sql)
        sql = sql.replace("now() - INTERVAL '1 minute'", "ago(60)").replace("now()", "ago(0)")
        return super().rows(sql)

    @override
    def columns(self, table: str) -> list[tuple[str, str]]:
        return self.rows(f"SELECT name, type FROM pragma_table_info('{table}')")

    @override
    def tables(self) -> set[str]:
        rows = self.rows("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")
        return {name for (name,) in rows}

    @override
    def path(self, schema: str, table: str) -> str:
        return f'"{schema}__{table}"'

    @override
    def as_text(self, column: str, type_: str) -> str:
        return (
            f"CASE {column} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END"
            if type_ == "boolean"
            else f"shown({column})"
        )


def _shown(value: Any) -> str | None:
    """Return a value as other databases write it: moments without trailing zeros."""
    text = None if value is None else str(value)
    if text and (moment := re.fullmatch(r"(.*:\d\d)(\.\d{6})(\+00)?(:00)?", text)):
        return f"{moment[1]}{moment[2].rstrip('0').rstrip('.')}{moment[3] or ''}"
    return text


def _ago(seconds: int) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat(" ", "microseconds")


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the warnings; other log lines depend on the logging set up before."""
    return [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]


def run_sql(warehouse: Warehouse, *statements: str) -> None:
    with warehouse.connected() as connection:
        for statement in statements:
            connection.execute(statement)
        if isinstance(warehouse, SQLite):
            connection.commit()
