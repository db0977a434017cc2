"""Runs through dlt, successful or not, leave nothing behind."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from importlib.metadata import metadata
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from dlt.common.destination import DestinationCapabilitiesContext
from dlt.destinations.exceptions import DatabaseTerminalException, DatabaseTransientException
from target_warehouse.errors import RecordsRejectedError
from target_warehouse.warehouses.base import WarehouseError
from target_warehouse.warehouses.registry import connect
from target_warehouse.warehouses.through_dlt import sql
from target_warehouse.warehouses.through_dlt.destinations import destination, file_format

from tests.targets.target_warehouse.processes import (
    InSteps,
    Loading,
    Source,
    assert_complete,
    assert_covered,
    position,
)
from tests.targets.target_warehouse.through_dlt import SCHEMA, ThroughDlt
from tests.targets.target_warehouse.warehouses import (
    EXECUTABLE,
    record,
    schema,
    singer,
    state,
)

ORDERS = schema("orders", id="integer", note="string", amount="number")
PASSWORD = "p@ss:wörd/%"
ADAPTER = "target_warehouse.warehouses.through_dlt.adapter"


def test_a_record_that_does_not_fit_is_rejected(through_dlt: ThroughDlt) -> None:
    run = through_dlt.load(
        ORDERS,
        record("orders", id=1, amount=1),
        record("orders", id=2, amount="a lot"),
        record("orders", amount=3),
        state("done"),
        fails=True,
    )

    assert isinstance(run.error, RecordsRejectedError)
    assert run.states == ["done"]
    assert through_dlt.rows("SELECT id, amount FROM orders") == [(1, 1)]
    assert sorted(through_dlt.rows("SELECT stream, record, reason FROM _rejected")) == [
        ("orders", '{"amount": 3}', "the key property 'id' is missing or null"),
        ("orders", '{"id": 2, "amount": "a lot"}', 'amount: "a lot" is not a number'),
    ]


@pytest.mark.parametrize("load_method", ["upsert", "append-only"])
def test_rows_that_only_the_database_refuses_are_isolated(
    through_dlt: ThroughDlt, load_method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOAD__RAISE_ON_FAILED_JOBS", "false")  # has no say
    with through_dlt.connected() as connection:
        connection.execute(
            "CREATE TABLE orders (id bigint, amount numeric(38, 9) CHECK (amount > 0))"
        )
        connection.commit()

    run = through_dlt.load(
        ORDERS,
        *(record("orders", id=number, amount=number % 4) for number in range(1, 8)),
        state("done"),
        load_method=load_method,
        fails=True,
    )

    assert run.states == ["done"]
    assert through_dlt.rows("SELECT count(*), min(amount) FROM orders") == [(6, 1)]
    [(text, reason)] = through_dlt.rows("SELECT record, reason FROM _rejected")
    assert json.loads(text) == {"id": 4, "amount": 0}
    assert "amount" in reason or "check constraint" in reason
    assert "4," not in reason  # the row


def test_a_column_that_cannot_be_widened_ends_the_run(duckdb_through_dlt: ThroughDlt) -> None:
    warehouse = duckdb_through_dlt
    warehouse.load(schema("things", id="integer", size="integer"), record("things", id=1, size=7))
    with warehouse.connected() as connection:
        connection.execute("CREATE INDEX sizes ON things (size)")

    run = warehouse.load(
        schema("things", id="integer", size="number"),
        record("things", id=1, size=7.25),
        state(1),
        fails=True,
    )

    assert run.states == []
    assert str(run.error).startswith(
        "stream 'things': the column 'size' of the table 'things' is bigint"
        " and has to become number: Catalog Error: Cannot change the type"
    )
    assert warehouse.rows("SELECT size FROM things") == [(7,)]

    with warehouse.connected() as connection:
        connection.execute("DROP INDEX sizes; ALTER TABLE things ALTER size TYPE decimal(38, 9)")
    warehouse.load(schema("things", id="integer", size="number"), record("things", id=1, size=7.25))
    assert warehouse.rows("SELECT size::text FROM things") == [("7.250000000",)]


def test_staged_rows_of_an_older_type_do_not_round(duckdb_through_dlt: ThroughDlt) -> None:
    warehouse = duckdb_through_dlt
    things = schema("things", id="integer", size="number")
    warehouse.load(things, record("things", id=1, size=1))
    staged = f"{SCHEMA}_staged_rows.things"
    with warehouse.connected() as connection:
        assert connection.execute(f"SELECT count(*) FROM {staged}").fetchall() == [(0,)]
        connection.execute(f"ALTER TABLE {staged} ALTER size TYPE bigint")

    warehouse.load(things, record("things", id=1, size=7.25))
    assert warehouse.rows("SELECT size::text FROM things") == [("7.250000000",)]


def test_a_killed_load_can_be_resumed(through_dlt: ThroughDlt) -> None:
    source = Source(records=600, keys=450)
    loading = Loading(through_dlt, source.lines(), batch_size_rows=130)
    loading.wait_for(2)
    run = loading.end(by=signal.SIGKILL)
    assert run.code == -signal.SIGKILL
    assert_covered(through_dlt, source, run.states[-1])

    again = Loading(through_dlt, source.lines(run.states[-1]), batch_size_rows=130).end()
    assert (again.code, position(again.states[-1], "orders")) == (0, 600), again.stderr
    assert_complete(through_dlt, source)


def test_a_terminated_load_commits_the_received_records(
    duckdb_through_dlt: ThroughDlt,
) -> None:
    records = [record("orders", id=number) for number in range(3)]
    lines = InSteps([ORDERS, *records[:2], state(2), records[2], state(3), state(4)])
    loading = Loading(duckdb_through_dlt, lines, batch_size_rows=2)
    lines.let_through(6)
    loading.wait_for(1)
    run = loading.end(by=signal.SIGTERM)

    assert (run.code, run.states) == (128 + signal.SIGTERM, [2, 3])
    assert duckdb_through_dlt.rows("SELECT count(*) FROM orders") == [(3,)]


def test_the_check_leaves_no_trace_and_sends_no_other_requests(
    duckdb_through_dlt: ThroughDlt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(socket.socket, "connect", lambda _, address: asked.append(address))
    folders: dict[str, list[str]] = {"home": [], "here": [".dlt"], "temporary": []}
    for folder, held in folders.items():
        for path in (tmp_path / folder, *[tmp_path / folder / name for name in held]):
            path.mkdir()
    for name in ("config", "secrets"):
        (tmp_path / "here/.dlt" / f"{name}.toml").write_text("this is not TOML")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.chdir(tmp_path / "here")

    duckdb_through_dlt.load(ORDERS, record("orders", id=1), record("orders", id="x"), fails=True)

    assert asked == []
    for folder, held in folders.items():
        assert [path.name for path in (tmp_path / folder).iterdir()] == held
    assert duckdb_through_dlt.tables() == {"orders", "_rejected"}
    owned = duckdb_through_dlt.rows("SHOW TABLES")
    assert {name for (name,) in owned} - {"orders", "_rejected"} == {"_dlt_loads", "_dlt_version"}


@pytest.mark.parametrize(
    ("url", "module", "needed"),
    [
        ("bigquery://project", "dlt", "'attribution-elt[dlt]' 'dlt[bigquery]'"),
        ("mssql://u:p@localhost/db", "pyodbc", "'attribution-elt[dlt]' 'dlt[mssql]'"),
        ("mysql://u:p@h/db", "pymysql", "'attribution-elt[dlt]' 'dlt[sqlalchemy]' 'pymysql'"),
    ],
)
def test_a_driver_that_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, url: str, module: str, needed: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, ADAPTER, raising=False)

    with pytest.raises(WarehouseError) as raised:
        connect(url, SCHEMA)
    assert str(raised.value) == (
        f"a url that begins with {url.partition(':')[0]}:// needs the Python module {module}: "
        f"pip install {needed}"
    )


def test_each_scheme_has_the_requirements_of_its_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dlt", None)
    monkeypatch.delitem(sys.modules, ADAPTER, raising=False)
    extras = metadata("dlt").get_all("Provides-Extra")
    with pytest.raises(WarehouseError) as unknown:
        connect("unknown://", None)
    schemes = set(re.findall(r"(\w+)://", str(unknown.value))) - {"postgres", "sqlite"}

    assert len(schemes) == 13
    for scheme in schemes:
        with pytest.raises(WarehouseError, match=r"'dlt\[.+\]'") as raised:
            connect(f"dlt+{scheme}://u:p@localhost/db", None)
        [names] = re.findall(r"'dlt\[([a-z,]+)\]'", str(raised.value))
        assert {*names.split(",")} <= {*(extras or ())}


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("dlt+postgresql://u:p@localhost:port/db", "`PostgresCredentials` cannot parse"),
        ("dlt+postgresql://u:p@localhost:1/db", "connection to server at"),
        ("dlt+postgresql://", "the setting url is not complete: Missing 1 field(s)"),
        ("dlt+duckdb:////no/such/folder/file.duckdb", "IO Error: Cannot open file"),
        ("bigquery://project?credentials_path=/no/such/file", "[Errno 2] No such file"),
        ("dlt+mongodb://u:p@localhost/db", "the setting url has the scheme 'mongodb'; it must"),
    ],
)
def test_a_url_that_is_wrong(url: str, message: str) -> None:
    with pytest.raises(WarehouseError) as raised:
        connect(url, SCHEMA)
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("host", ["localhost:1", "localhost:port"])
def test_no_secret_is_printed(tmp_path: Path, host: str) -> None:
    url = f"redshift://user:{quote(PASSWORD, safe='')}@{host}/db"
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"url": url, "default_target_schema": SCHEMA}))
    done = subprocess.run(
        [EXECUTABLE, "--config", config],
        input=singer([ORDERS]),
        env=os.environ | {"LOGLEVEL": "DEBUG", "RUNTIME__LOG_LEVEL": "DEBUG"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    for secret in (PASSWORD, quote(PASSWORD, safe=""), "wörd"):
        assert secret not in done.stdout + done.stderr


def test_members_of_the_adapter_for_other_modules(through_dlt: ThroughDlt) -> None:
    through_dlt.load(ORDERS, record("orders", id=1, note="a"))
    adapter = connect(through_dlt.url, SCHEMA)
    with contextlib.closing(adapter):
        assert adapter.path("orders").endswith('"shop"."orders"')
        assert adapter.execute(f"SELECT id, note FROM {adapter.path('orders')}") == [(1, "a")]
        assert adapter.count("orders") == 1
        assert adapter.is_transient(DatabaseTransientException(Exception("gone for now")))
        assert not adapter.is_transient(DatabaseTerminalException(Exception("gone for good")))


def test_a_schema_is_needed(duckdb_through_dlt: ThroughDlt) -> None:
    run = duckdb_through_dlt.load(ORDERS, default_target_schema=None, fails=True)
    assert str(run.error) == "this url needs default_target_schema too: the dataset of dlt"


def test_other_warehouses_do_not_import_dlt(tmp_path: Path) -> None:
    code = (
        "import sys; from target_warehouse.warehouses.registry import connect\n"
        f"connect('duckdb:///{tmp_path}/file.duckdb', None)\n"
        "print('dlt' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize(
    ("url", "name", "known"),
    [
        ("redshift://u:p%40@h/db", "redshift", {"credentials": "postgresql://u:p%40@h/db"}),
        (
            "clickhouse://u:p@h:9440/db?secure=1&staging=s3://bucket/folder",
            "clickhouse",
            {"credentials": "clickhouse://u:p@h:9440/db?secure=1"},
        ),
        ("mssql://u:p@h/db", "mssql", {"credentials": "mssql://u:p@h/db"}),
        ("mysql://u:p@h/db", "sqlalchemy", {"credentials": "mysql+pymysql://u:p@h/db"}),
        ("mysql+mysqldb://u:p@h/db", "sqlalchemy", {"credentials": "mysql+mysqldb://u:p@h/db"}),
        ("oracle://u:p@h/db", "sqlalchemy", {"credentials": "oracle+oracledb://u:p@h/db"}),
        ("bigquery://shop?location=EU", "bigquery", {"project_id": "shop", "location": "EU"}),
        (
            "databricks://token:t%2F@h.net/main?http_path=/sql/1.0/x",
            "databricks",
            {
                "credentials": {
                    "server_hostname": "h.net",
                    "access_token": "t/",
                    "catalog": "main",
                    "http_path": "/sql/1.0/x",
                }
            },
        ),
        (
            "athena://eu-west-1?query_result_bucket=s3://results",
            "athena",
            {
                "credentials": {"region_name": "eu-west-1"},
                "force_iceberg": True,
                "query_result_bucket": "s3://results",
            },
        ),
        ("redshift://", "redshift", {}),
    ],
)
def test_parameters_of_a_url_that_dlt_gets(url: str, name: str, known: dict[str, Any]) -> None:
    made, bucket = destination(url)

    given = {name: value for name, value in made.config_params.items() if value is not None}
    assert made.destination_name == name
    assert given.items() >= known.items()
    assert given["staging_dataset_name_layout"] == "%s_staged_rows"
    assert ("credentials" in given) is ("credentials" in known)
    if "staging=" in url:
        assert bucket.config_params["bucket_url"] == "s3://bucket/folder"
    else:
        assert bucket is None


def test_a_key_file_of_bigquery(tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text("{}")
    made, _ = destination(f"bigquery://shop?credentials_path={tmp_path}/key.json")
    assert made.config_params["credentials"] == "{}"


def test_files_in_a_bucket_are_parquet_whatever_the_destination_prefers() -> None:
    capabilities = DestinationCapabilitiesContext(
        preferred_loader_file_format="insert_values",
        supported_loader_file_formats=["insert_values", "jsonl"],
    )
    assert file_format(capabilities, has_bucket=True) == "parquet"
    assert file_format(capabilities, has_bucket=False) == "insert_values"


def test_the_sql_of_the_dialects() -> None:
    assert [
        sql.altered(dialect, "t", "c", "text") for dialect in ("bigquery", "tsql", "mysql")
    ] == [
        "ALTER TABLE t ALTER COLUMN c SET DATA TYPE text",
        "ALTER TABLE t ALTER COLUMN c text",
        "ALTER TABLE t MODIFY COLUMN c text",
    ]
    keys = {"`id`": "bigint", "`url`": "text"}
    assert sql.indexed("mariadb", "t", keys) == "CREATE INDEX staged_keys ON t (`id`, `url`(64))"
    assert sql.indexed("bigquery", "t", keys) is None
