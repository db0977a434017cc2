from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import duckdb
import psycopg
import pytest

from attribution_elt.checks.warehouses import finding
from attribution_elt.meltano.project import SCHEMA, Loader


def loader(url: str) -> Loader:
    return Loader("target-warehouse", url, SCHEMA)


def test_the_schema_follows_the_extractor() -> None:
    assert loader("duckdb:///a").schema_of("shop_two") == "shop_two"
    assert Loader("l", "duckdb:///a", f"raw_{SCHEMA}").schema_of("shop_two") == "raw_shop_two"
    assert Loader("l", "duckdb:///a", None).schema_of("shop_two") is None


def test_the_check_leaves_no_trace(postgres_url: str, tmp_path: Path) -> None:
    file, lite = tmp_path / "there.duckdb", tmp_path / "there.db"
    duckdb.connect(str(file)).close()
    lite.touch()
    rights = "can create and write in tap_ecdp, tap_ihc"
    for url, facts in (
        (postgres_url, [rights, "clocks agree", "its days begin in the time zone Etc/UTC"]),
        (f"duckdb:///{file}", [rights]),
        (f"sqlite:///{lite}", ["can create and write"]),
    ):
        found = finding(loader(url), ["tap_ecdp", "tap_ihc"])
        assert (found.problems, found.facts) == ([], facts)
    asked = "SELECT count(*) FROM information_schema.schemata WHERE schema_name LIKE 'tap_%'"
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute(asked).fetchone() == (0,)
    with duckdb.connect(str(file)) as opened:
        assert opened.execute(asked).fetchone() == (0,)
    with contextlib.closing(sqlite3.connect(lite)) as opened_lite:
        assert opened_lite.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)


@pytest.mark.filterwarnings(
    "ignore:The 'warn' method:DeprecationWarning"
)  # dlt's name of the destination
def test_a_warehouse_through_dlt_is_only_connected_to(tmp_path: Path) -> None:
    file = tmp_path / "there.duckdb"
    found = finding(loader(f"dlt+duckdb:///{file}"), ["tap_ecdp"])
    assert (found.problems, found.facts) == ([], ["can be reached; its rights were not checked"])
    with duckdb.connect(str(file)) as opened:
        assert opened.execute("SELECT * FROM information_schema.tables").fetchall() == []
        schemata = opened.execute("SELECT DISTINCT schema_name FROM duckdb_schemas()").fetchall()
        assert sorted(schemata) == [("information_schema",), ("main",), ("pg_catalog",)]

    (problem,) = finding(loader("redshift://me:geheimnis@127.0.0.1:9/db"), ["tap_ecdp"]).problems
    assert "cannot be reached: connection to server at" in problem
    assert "geheimnis" not in problem


def test_a_missing_file_is_not_created(tmp_path: Path) -> None:
    file = tmp_path / "new.duckdb"
    assert finding(loader(f"duckdb:///{file}"), [None]).facts == [
        f"{file} will be created by the first run"
    ]
    assert not file.exists()
    found = finding(loader(f"duckdb:///{tmp_path}/nowhere/new.duckdb"), [None])
    assert found.problems == [
        f"{tmp_path}/nowhere is not a folder that new.duckdb can be written to"
    ]


@pytest.mark.parametrize("scheme", ["duckdb", "sqlite"])
def test_a_file_that_is_not_a_database_is_a_problem(tmp_path: Path, scheme: str) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("not a database, but long enough to be taken for one" * 100)
    (problem,) = finding(loader(f"{scheme}:///{file}"), [None]).problems
    assert " cannot be reached: " in problem
    assert "\n" not in problem


def test_a_file_that_another_process_has_open_is_a_problem(tmp_path: Path) -> None:
    file = tmp_path / "busy.duckdb"
    hold = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout
        holder.stdout.readline()
        (problem,) = finding(loader(f"duckdb:///{file}"), [None]).problems
        holder.communicate("\n")
    assert "Conflicting lock is held" in problem


def test_an_unreachable_server_is_reported_without_the_password() -> None:
    found = finding(loader("postgresql://me:geheimnis@127.0.0.1:9/db"), [None])
    (problem,) = found.problems
    assert " cannot be reached: " in problem
    assert "geheimnis" not in problem


@pytest.fixture
def reader_url(postgres_url: str) -> str:
    """Return the URL of a user who may connect and read only."""
    role = f"reader_{os.getpid()}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"DROP ROLE IF EXISTS {role}".encode())
        connection.execute(f"CREATE ROLE {role} LOGIN".encode())
        connection.execute("CREATE SCHEMA tap_ecdp")
        connection.execute(f"GRANT USAGE ON SCHEMA tap_ecdp TO {role}".encode())
    return postgres_url.replace("//postgres:", f"//{role}:").replace("//postgres@", f"//{role}@")


def test_missing_rights_are_a_problem_of_each_schema(reader_url: str) -> None:
    found = finding(loader(reader_url), ["tap_ecdp", "tap_ihc"])
    ecdp, ihc = found.problems
    assert ecdp.startswith("the user may not create a table in the schema tap_ecdp: permission")
    assert ihc.startswith("the user may not create the schema tap_ihc: permission")


def test_the_grants_of_the_problems_are_enough(reader_url: str, postgres_url: str) -> None:
    schemas = ["tap_ecdp", "tap_ihc"]
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f"REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC".encode())
        connection.execute(f"REVOKE USAGE ON SCHEMA tap_ecdp FROM reader_{os.getpid()}".encode())
        connection.execute("CREATE TABLE tap_ecdp.orders (id integer)")
        given: list[str] = []
        while problems := finding(loader(reader_url), schemas).problems:
            grants = [each.rpartition("; ")[2] for each in problems]
            assert all(each.startswith("GRANT ") for each in grants), problems
            assert not set(grants) & set(given), "a grant that does not help"
            given += dict.fromkeys(grants)
            for grant in dict.fromkeys(grants):
                connection.execute(grant.encode())
    assert {each.split(" ON ")[0].removeprefix("GRANT ") for each in given} == {
        *("CREATE", "TEMPORARY", "USAGE, CREATE", "SELECT, INSERT, UPDATE, DELETE")
    }


def test_the_time_zone_of_other_clients_is_shown(postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f"ALTER DATABASE {name} SET TimeZone = 'Europe/Stockholm'".encode())
    facts = finding(loader(postgres_url), [None]).facts
    assert facts[-1] == "its days begin in the time zone Europe/Stockholm"
