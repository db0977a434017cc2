"""The executable: its version, settings and errors."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.targets.target_warehouse.warehouses import (
    EXECUTABLE,
    DuckDB,
    record,
    schema,
    singer,
    state,
)

ITEMS = schema("items", id="integer")
PASSWORD = "p@ss:wörd/%"


def run(
    *arguments: str | Path, text: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [EXECUTABLE, *arguments],
        input=text,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def configured(folder: Path, settings: dict[str, Any]) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(settings))
    return path


@pytest.mark.parametrize(
    ("closed", "reason"),
    [
        ("<&-", "standard input is closed: messages cannot be read"),
        ("</dev/null >&-", "standard output is closed: messages cannot be written"),
    ],
)
def test_a_closed_standard_stream_ends_the_run_with_one_line(
    tmp_path: Path, closed: str, reason: str
) -> None:
    config = configured(tmp_path, {"url": f"duckdb:///{tmp_path}/warehouse.duckdb"})
    shell = f'exec "$0" --config "$1" {closed}'
    done = subprocess.run(
        ["sh", "-c", shell, EXECUTABLE, config], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"Error: {reason}"
    assert not (tmp_path / "warehouse.duckdb").exists()


def test_closed_standard_error_does_not_disturb_a_load(duckdb: DuckDB) -> None:
    given = singer([ITEMS, record("items", id=1), state(1)])
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" 2>&-', "sh", *duckdb.command()],
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "1\n")
    assert duckdb.rows("SELECT id FROM items") == [(1,)]


def test_version() -> None:
    done = run("--version")
    version = importlib.metadata.version("attribution-elt")
    assert done.stdout.startswith(f"target-warehouse v{version}, ")


def test_about() -> None:
    about = json.loads(run("--about", "--format=json").stdout)

    assert about["name"] == "target-warehouse"
    settings = about["settings"]["properties"]
    assert settings["url"]["secret"]
    assert {name: setting.get("default") for name, setting in settings.items()} | {
        "url": "duckdb:///warehouse.duckdb",
        "default_target_schema": None,
        "load_method": "upsert",
        "add_record_metadata": True,
        "batch_size_rows": None,
        "batch_max_bytes": None,
    } == {name: setting.get("default") for name, setting in settings.items()}
    assert "stream_maps" in settings
    assert "flattening_enabled" in settings
    assert "validate_records" not in settings


def test_about_does_not_wait_for_drivers() -> None:
    code = (
        "import sys, target_warehouse.target\n"
        "print({'duckdb', 'psycopg', 'pyarrow', 'snowflake'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_settings_from_the_environment(tmp_path: Path) -> None:
    warehouse = DuckDB("", tmp_path)
    done = run(
        "--config=ENV",
        text=singer([ITEMS, record("items", id=1), state(1)]),
        TARGET_WAREHOUSE_URL=f"duckdb:///{tmp_path}/warehouse.duckdb",
        TARGET_WAREHOUSE_ADD_RECORD_METADATA="false",
    )
    assert (done.returncode, done.stdout) == (0, "1\n")
    assert warehouse.rows("SELECT * FROM items") == [(1,)]


def test_messages_from_a_file(duckdb: DuckDB, tmp_path: Path) -> None:
    messages = tmp_path / "messages.singer"
    messages.write_text(singer([ITEMS, record("items", id=1)]))
    assert run("--input", messages, *duckdb.command()[1:]).returncode == 0
    assert duckdb.rows("SELECT id FROM items") == [(1,)]


KNOWN = "it must begin with one of athena://, bigquery://, clickhouse://, "


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"url": "mongodb://localhost/db"}, f"the setting url has the scheme 'mongodb'; {KNOWN}"),
        ({"url": "warehouse.duckdb"}, f"the setting url has no scheme; {KNOWN}"),
        ({"url": None}, f"the setting url has no scheme; {KNOWN}"),
        ({"url": ""}, f"the setting url has no scheme; {KNOWN}"),
        (
            {"load_method": "replace"},
            "Error: setting 'load_method': 'replace' must be one of upsert, append-only, overwrite",
        ),
        ({"batch_size_rows": 0}, "Error: setting 'batch_size_rows': 0 must be at least 1"),
        ({"url": 12345678}, "Error: setting 'url': must be of type string"),
        ({"stream_maps": 3}, "Error: setting 'stream_maps': 3 must be of type object"),
        (
            {"stream_maps": {"items": {"__else__": "all"}}},
            "Error: setting 'stream_maps.items': {'__else__': 'all'} must be of another type",
        ),
        ({"url": "duckdb:////no/such/folder/file.duckdb"}, "Cannot open file"),
        pytest.param(
            {"url": "postgresql://localhost:1/db"},
            "connection failed",
            marks=pytest.mark.long,  # the loader retries for a minute
        ),
        (
            {"url": "sqlite:////no/such/folder/file.db"},
            "Error: /no/such/folder/file.db: unable to open database file",
        ),
    ],
)
def test_a_setting_that_is_wrong(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    done = run("--config", configured(tmp_path, settings), text=singer([ITEMS]))

    assert done.returncode == 1
    assert done.stdout == ""
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_each_wrong_setting_has_a_line(tmp_path: Path) -> None:
    config = configured(tmp_path, {"vanished": "x", "history": 1})
    done = run("--config", config, text=singer([ITEMS]))
    names = [line[: len("Error: setting 'v")] for line in done.stderr.splitlines()[-2:]]
    assert names == ["Error: setting 'h", "Error: setting 'v"]


def test_a_missing_settings_file(tmp_path: Path) -> None:
    done = run("--config", tmp_path / "none.json")
    assert done.returncode == 1
    assert "none.json" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("scheme", "module"),
    [
        ("duckdb", "duckdb"),
        ("postgres", "psycopg"),
        ("snowflake", "snowflake"),
        ("sqlite", "pyarrow"),
    ],
)
def test_an_extra_that_is_not_installed(tmp_path: Path, scheme: str, module: str) -> None:
    (tmp_path / f"{module}.py").write_text(f"raise ModuleNotFoundError(name='{module}')")
    config = configured(tmp_path, {"url": f"{scheme}://x"})
    done = run("--config", config, PYTHONPATH=str(tmp_path))

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"Error: a url that begins with {scheme}:// needs the Python module {module}: "
        f"pip install 'attribution-elt[{scheme}]'"
    )


@pytest.mark.parametrize(
    "url",
    [
        pytest.param(
            f"postgresql://user:{quote(PASSWORD, safe='')}@localhost:1/db",
            marks=pytest.mark.long,  # the loader retries for a minute
        ),
        f"postgresql://user:{PASSWORD}@localhost:1/db",
        "postgresql://user:p@ss:wörd@localhost:1/db",
        "postgresql://user:ss:wörd@localhost:1/db",
        "postgresql://user:ss:w %zz@localhost:1/db",
        pytest.param(
            f"postgresql://localhost:1/db?user=u&password={quote(PASSWORD)}",
            marks=pytest.mark.long,
        ),
        f"duckdb:///no/folder/x.duckdb?motherduck_token={quote(PASSWORD)}",
        f"snowflake://user@account/db?passcode={quote(PASSWORD)}&port={quote(PASSWORD)}",
        f"unknown://user:{quote(PASSWORD)}@localhost/db",
        PASSWORD,
    ],
)
def test_no_secret_is_printed(tmp_path: Path, url: str) -> None:
    done = run(
        "--config", configured(tmp_path, {"url": url}), text=singer([ITEMS]), LOGLEVEL="DEBUG"
    )

    assert done.returncode == 1
    for secret in (PASSWORD, quote(PASSWORD), quote(PASSWORD, safe=""), "wörd", "ss:w"):
        assert secret not in done.stdout + done.stderr
