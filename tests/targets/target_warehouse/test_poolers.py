"""PgBouncer in transaction mode, servers that are busy temporarily, and permanent faults."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from target_warehouse.warehouses.base import WarehouseError
from target_warehouse.warehouses.postgresql.connection import is_transient
from target_warehouse.warehouses.registry import connect, is_through_dlt

from tests.targets.target_warehouse.warehouses import PostgreSQL, record, schema, state

ORDERS = schema("orders", id="integer", note="string")


@pytest.fixture
def pooled(postgres_url: str, tmp_path: Path) -> Iterator[PostgreSQL]:
    """The database behind PgBouncer, which may give each transaction another server connection."""
    executable = shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")
    if not executable:
        pytest.skip("pgbouncer is not installed")
    parts = urlsplit(postgres_url)
    folder = tmp_path / "pgbouncer"
    folder.mkdir()
    server = Path(parse_qs(parts.query)["host"][0])
    (folder / "ini").write_text(
        f"[databases]\n* = host={server} port=5432 user=postgres\n"
        f"[pgbouncer]\nlisten_addr =\nlisten_port = 6432\nunix_socket_dir = {folder}\n"
        "auth_type = any\npool_mode = transaction\ndefault_pool_size = 2\n"
    )
    # The server accepts only its owner's connections, and PgBouncer does not run as root.
    owner = server.owner()
    for place in (folder, *folder.parents[: len(tmp_path.parts) - 2]):
        place.chmod(0o755)
    shutil.chown(folder, owner)
    with subprocess.Popen(
        [
            executable,
            "-q",
            *(["-u", owner] if owner != Path.home().owner() else []),
            folder / "ini",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        while not (folder / ".s.PGSQL.6432").exists():
            assert process.poll() is None
            time.sleep(0.05)
        yield PostgreSQL(f"postgresql://postgres@{parts.path}?host={folder}&port=6432", tmp_path)
        process.terminate()


def test_loads_through_a_pooler_in_transaction_mode(pooled: PostgreSQL) -> None:
    errors = []

    def load(number: int) -> None:
        folder = pooled.folder / f"load{number}"
        folder.mkdir()
        run = PostgreSQL(pooled.url, folder).execute(
            ORDERS,
            *[record("orders", id=id_, note=f"{number}") for id_ in range(40)],
            state(1),
            batch_size_rows=4,
            default_target_schema="public",
        )
        if run.code or run.states != [1]:
            errors.append(run.stderr)

    threads = [threading.Thread(target=load, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    with psycopg.connect(pooled.url, prepare_threshold=None) as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchall() == [(40,)]


def test_a_server_that_is_read_only_for_a_while(postgresql: PostgreSQL) -> None:
    def alter(what: str) -> None:
        with psycopg.connect(postgresql.url, autocommit=True) as connection:
            connection.execute(f"ALTER SYSTEM {what}".encode())
            connection.execute("SELECT pg_reload_conf()")

    alter("SET default_transaction_read_only = on")
    timer = threading.Timer(2, alter, ["RESET default_transaction_read_only"])
    timer.start()
    try:
        postgresql.load(ORDERS, record("orders", id=1), state(1))
    finally:
        timer.join()

    assert postgresql.rows("SELECT id FROM orders") == [(1,)]


def test_an_idle_session_that_the_server_ends(postgresql: PostgreSQL) -> None:
    name = urlsplit(postgresql.url).path[1:]
    with psycopg.connect(postgresql.url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} SET idle_session_timeout = '400ms'")
    adapter = connect(postgresql.url, None)
    time.sleep(0.8)

    with pytest.raises(psycopg.Error) as raised:
        adapter.execute("SELECT 1")
    assert adapter.is_transient(raised.value)
    adapter.reconnect()
    assert adapter.execute("SELECT 1") == [(1,)]
    adapter.close()


@pytest.mark.parametrize("is_patient", [True, False])
def test_the_first_connection_to_a_busy_server(postgresql: PostgreSQL, is_patient: bool) -> None:
    name = urlsplit(postgresql.url).path[1:]
    with psycopg.connect(postgresql.url, autocommit=True) as connection:
        connection.execute("CREATE ROLE busy LOGIN CONNECTION LIMIT 1")
    url = postgresql.url.replace("postgres:@", "busy:@").replace("postgres@", "busy@")
    try:
        with contextlib.ExitStack() as held:
            held.enter_context(psycopg.connect(url))
            if not is_patient:
                with pytest.raises(psycopg.OperationalError, match="too many"):
                    connect(url, None)
                return
            timer = threading.Timer(1, held.pop_all().close)
            timer.start()
            connect(url, None, is_patient=True).close()
            timer.join()
    finally:
        with psycopg.connect(postgresql.url, autocommit=True) as connection:
            connection.execute(f"REVOKE ALL ON DATABASE {name} FROM busy")
            connection.execute("DROP ROLE busy")


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("connection failed: Connection refused Is the server running", True),
        ("connection failed: could not translate host name: Temporary failure", True),
        ("connection failed: FATAL:  sorry, too many clients already", True),
        ("connection failed: FATAL:  remaining connection slots are reserved for roles", True),
        ("connection failed: FATAL:  the database system is starting up", True),
        ("connection failed: FATAL:  no more connections allowed (max_client_conn)", True),
        ("connection failed: FATAL:  server login has been failing, try again later", True),
        ("server closed the connection unexpectedly", True),
        ("SSL connection has been closed unexpectedly", True),
        ("connection failed: SSL error: certificate verify failed", False),
        ("connection failed: server certificate for x does not match host name y", False),
        ("connection failed: root certificate file does not exist", False),
        ("connection failed: server does not support SSL, but SSL was required", False),
        ("connection failed: FATAL:  password authentication failed for user x", False),
        ("connection failed: fe_sendauth: no password supplied", False),
        ("connection failed: FATAL:  database x does not exist", False),
        ("connection failed: FATAL:  role x does not exist", False),
        ("connection failed: FATAL:  no pg_hba.conf entry for host", False),
        ('connection is bad: invalid port number: "99999"', False),
        ('connection is bad: invalid sslmode value: "always"', False),
        ('connection is bad: definition of service "orders" not found', False),
        ("connection failed: received invalid response to SSL negotiation: H", False),
        ("connection is bad: GSSAPI encryption required but no credential cache", False),
    ],
)
def test_retried_and_permanent_connection_failures(text: str, passes: bool) -> None:
    assert is_transient(psycopg.OperationalError(text)) is passes


@pytest.mark.parametrize(
    ("lines", "word"),
    [
        (
            [
                schema("orders", ["id", "id"], id="integer", xmin="integer", Ctid="string"),
                record("orders", id=1, xmin=2, Ctid="a"),
            ],
            None,
        ),
        ([schema("mood", id="integer")], "mood"),
    ],
)
def test_permanent_faults_are_not_retried_for_a_minute(
    postgresql: PostgreSQL, lines: list[dict[str, object]], word: str | None
) -> None:
    with psycopg.connect(postgresql.url, autocommit=True) as connection:
        connection.execute("CREATE TYPE mood AS ENUM ('sad')")
    started = time.monotonic()

    run = postgresql.load(*lines, fails=word is not None)

    assert time.monotonic() - started < 20
    if word:
        assert word in str(run.error)
    else:
        columns = postgresql.types("orders")
        assert [name.partition("_")[0] for name in columns][:3] == ["id", "xmin", "Ctid"]
        assert not {"xmin", "Ctid"} & columns.keys()


@pytest.mark.parametrize(
    "url",
    [
        "duckdb:///",
        "duckdb://",
        "duckdb:///:memory:",
        "duckdb:///:memory:name",
        "duckdb:///%3Amemory%3Aa",
        "duckdb:///a%00b.duckdb",
        "sqlite:///file::memory:",
        "sqlite:///file:a.db",
        "duckdb://file.duckdb",
        "duckdb:///folder/",
        "duckdb:///a#b.duckdb",
        "duckdb:///what?.duckdb",
        "sqlite:///",
        "sqlite://file.db",
        "sqlite:///a#b.db",
        "sqlite:///a?b.db",
    ],
)
def test_urls_that_name_no_file_or_a_part_of_a_name(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(WarehouseError, match=r"must name a file|%23 or %3F"):
        connect(url, None)
    assert list(tmp_path.iterdir()) == []


def test_a_file_with_a_percent_encoded_name(tmp_path: Path) -> None:
    connect(f"duckdb:///{tmp_path}/a%23b%3F.duckdb", None).close()

    assert [path.name for path in tmp_path.iterdir()] == ["a#b?.duckdb"]


@pytest.mark.parametrize("url", ["  DUCKDB:///{}/a.db\n", "Sqlite:///{}/a.db\t"])
def test_a_url_with_blanks_around_it_and_capitals(url: str, tmp_path: Path) -> None:
    connect(url.format(tmp_path), None).close()

    assert [path.name for path in tmp_path.iterdir()] == ["a.db"]


def test_a_postgresql_url_with_capitals(postgresql: PostgreSQL) -> None:
    url = postgresql.url.replace("postgresql", "POSTGRESQL", 1)
    assert not is_through_dlt(url)
    connect(f"{url}\n", None).close()


def test_a_schema_whose_name_postgresql_would_cut(postgresql: PostgreSQL) -> None:
    """Two such names could be one schema."""
    name = "ö" * 31
    with pytest.raises(WarehouseError, match="default_target_schema is too long"):
        connect(postgresql.url, f"{name}xx")
    connect(postgresql.url, f"{name}x").close()
