"""The destinations of loaders, and how their rows are read back."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import duckdb
import psycopg
from psycopg.types.json import set_json_loads
from typing_extensions import override

from tests.pipeline.expected import Stream
from tests.tap_process import Row

JSONL = {
    "name": "target-jsonl",
    "namespace": "target_jsonl",
    "pip_url": "target-jsonl==0.1.4",
    "executable": "target-jsonl",
    "config": {
        "destination_path": "$MELTANO_PROJECT_ROOT/$MELTANO_EXTRACT__LOAD_SCHEMA",
        "do_timestamp_file": False,
    },
}
"""A loader that writes its input unchanged."""


def schema_of(tap: str) -> str:
    """Return the schema of a tap's tables."""
    return tap.replace("-", "_")


class Landing(ABC):
    """A loader, the environment of meltano.yml that it runs in, and what it has loaded."""

    loader: str
    environment: str
    variables: Mapping[str, str]

    @abstractmethod
    def rows(self, tap: str, name: str, stream: Stream) -> list[Row]:
        """Return the loaded rows of a stream."""


class Warehouse(Landing):
    """A database."""

    loader = "target-warehouse"

    @abstractmethod
    def select(self, table: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """A table's columns and rows."""

    @abstractmethod
    def run_script(self, schema: str, script: str) -> None:
        """Run statements in a schema."""

    @override
    def rows(self, tap: str, name: str, stream: Stream) -> list[Row]:
        return stream.read(*self.select(f"{schema_of(tap)}.{name}"))


class DuckDb(Warehouse):
    environment = "dev"

    def __init__(self, folder: Path) -> None:
        self.variables = {}
        self._file = folder / "warehouse.duckdb"

    @override
    def select(self, table: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        with duckdb.connect(str(self._file), read_only=True) as connection:
            found = connection.execute(f"SELECT * FROM {table}")
            return [column[0] for column in found.description or ()], found.fetchall()

    @override
    def run_script(self, schema: str, script: str) -> None:
        with duckdb.connect(str(self._file)) as connection:
            connection.execute(f"USE {schema}; {script}")


class Postgres(Warehouse):
    environment = "prod"

    def __init__(self, url: str) -> None:
        self._url = url
        parts = urlsplit(url)
        self.variables = {
            "PGHOST": parse_qs(parts.query)["host"][0],
            "PGUSER": parts.username or "",
            "PGDATABASE": parts.path.removeprefix("/"),
        }

    @override
    def select(self, table: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        with psycopg.connect(self._url) as connection:
            set_json_loads(partial(json.loads, parse_float=Decimal), connection)
            found = connection.execute(f"SELECT * FROM {table}".encode())
            return [column.name for column in found.description or ()], found.fetchall()

    @override
    def run_script(self, schema: str, script: str) -> None:
        with psycopg.connect(self._url) as connection:
            connection.execute(f"SET search_path TO {schema}; {script}".encode())


class PostgresByMeltanoLabs(Postgres):
    """The same database, loaded by target-postgres."""

    loader = "target-postgres"

    @override
    def select(self, table: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        columns, rows = super().select(table)
        # its columns have no time zone: they store the UTC time of an instant
        return columns, [
            tuple(v.replace(tzinfo=UTC) if isinstance(v, datetime) else v for v in row)
            for row in rows
        ]


class JsonLines(Landing):
    """Files with a line for each record, without keys: the last line of a key counts."""

    loader = "target-jsonl"
    environment = "dev"

    def __init__(self, folder: Path) -> None:
        self.variables = {}
        self._folder = folder

    @override
    def rows(self, tap: str, name: str, stream: Stream) -> list[Row]:
        path = self._folder / schema_of(tap) / f"{name}.jsonl"
        lines = path.read_bytes().splitlines()
        records = [json.loads(line, parse_float=Decimal) for line in lines]
        return list(stream.by_key(map(stream.typed, records)).values())
