"""Warehouses that run here, reached through dlt."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import duckdb
import psycopg
from typing_extensions import override

from tests.targets.target_warehouse.warehouses import Line, Run, Warehouse

SCHEMA = "shop"


class ThroughDlt(Warehouse):
    """A warehouse through dlt; its tables are in the schema `shop`."""

    @override
    def load(self, *lines: Line, fails: bool = False, **settings: Any) -> Run:
        return super().load(*lines, fails=fails, **{"default_target_schema": SCHEMA, **settings})

    @override
    def command(self, **settings: Any) -> list[str | Path]:
        return super().command(**{"default_target_schema": SCHEMA, **settings})

    @override
    def tables(self) -> set[str]:
        """Return the tables that are not dlt's own."""
        rows = self.rows(
            "SELECT table_name FROM information_schema.tables "
            f"WHERE table_schema = '{SCHEMA}' AND table_name NOT LIKE '_dlt%'"
        )
        return {name for (name,) in rows}

    @override
    def types(self, table: str) -> dict[str, str]:
        rows = self.rows(
            "SELECT column_name, data_type FROM information_schema.columns WHERE "
            f"table_schema = '{SCHEMA}' AND table_name = '{table}' ORDER BY ordinal_position"
        )
        return dict(rows)


class DuckDB(ThroughDlt):
    @override
    @contextlib.contextmanager
    def connected(self) -> Iterator[Any]:
        with duckdb.connect(self.folder / "warehouse.duckdb") as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}; USE {SCHEMA}")
            yield connection


class PostgreSQL(ThroughDlt):
    def __init__(self, url: str, folder: Path) -> None:
        """Connect with the URL of a socket; dlt needs a host and a password in it."""
        parts = urlsplit(url)
        (socket,) = parse_qs(parts.query)["host"]
        super().__init__(
            f"dlt+postgresql://postgres:any@{quote(socket, safe='')}{parts.path}", folder
        )
        self._direct = url

    @override
    @contextlib.contextmanager
    def connected(self) -> Iterator[Any]:
        options = f"-c TimeZone=UTC -c search_path={SCHEMA}"
        with psycopg.connect(self._direct, options=options) as connection:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
            yield connection
