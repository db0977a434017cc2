"""tap-query: types, values, bookmarks and errors, on three databases."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sysconfig
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
from singer_sdk.singerlib import RecordMessage, StateMessage
from tap_query.tap import TapQuery

from attribution_elt.kit.errors import InvalidSettingsError, PluginError
from attribution_elt.kit.writer import LineWriter
from tests import leaks

EXECUTABLE = Path(sysconfig.get_path("scripts")) / "tap-query"
TABLE = """
CREATE TABLE t AS
SELECT
    i AS id,
    CAST(i AS decimal(38, 2)) / 4 AS price,
    CAST('2026-03-01 10:00:00.5' AS timestamp) + i * INTERVAL '1 hour' AS seen_at,
    CAST('2026-03-01' AS date) AS day,
    i = 1 AS flag,
    CAST(NULL AS varchar) AS nothing,
    'Åsa' AS name
FROM (VALUES (1), (2), (9007199254740993)) AS v(i)
"""


def run(
    folder: Path,
    url: str,
    streams: Sequence[Mapping[str, Any]],
    state: Any = None,
    code: int = 0,
    *,
    options: Sequence[str] = (),
) -> tuple[list[dict[str, Any]], str]:
    """Run the executable; its messages and its log."""
    config, given = folder / "config.json", folder / "state.json"
    config.write_text(json.dumps({"url": url, "streams": streams}))
    command = [str(EXECUTABLE), "--config", str(config), *options]
    if state is not None:
        given.write_text(json.dumps(state))
        command += ["--state", str(given)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    leaks.guard(done.stdout, done.stderr, settings={"url": url})
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "leak" not in done.stderr  # DuckDB's driver, of objects that outlive it
    return list(map(json.loads, done.stdout.splitlines())), done.stderr


@pytest.fixture(params=["duckdb", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database with the table `t`."""
    if request.param == "duckdb":
        with duckdb.connect(str(tmp_path / "q.duckdb")) as connection:
            connection.execute(TABLE.replace("i * INTERVAL '1 hour'", "to_hours(i % 10)"))
        return f"duckdb:///{tmp_path}/q.duckdb"
    address: str = request.getfixturevalue("postgres_url")
    with psycopg.connect(address) as connection:
        connection.execute(TABLE.replace("i *", "i % 10 *").encode())
    return address


QUERY = {
    "name": "rows",
    "query": "SELECT * FROM t WHERE seen_at > CAST(:since AS timestamp) ORDER BY id",
    "key_properties": ["id"],
    "replication_key": "seen_at",
}


def test_rows_keep_their_types_and_digits(url: str, tmp_path: Path) -> None:
    messages, _ = run(tmp_path, url, [QUERY])

    (schema,) = (each for each in messages if each["type"] == "SCHEMA")
    assert schema["key_properties"] == ["id"]
    properties = schema["schema"]["properties"]
    assert {name: each["type"] for name, each in properties.items()} == {
        "id": ["integer"],
        "price": ["number", "null"],
        "seen_at": ["string", "null"],
        "day": ["string", "null"],
        "flag": ["boolean", "null"],
        "nothing": ["null"],
        "name": ["string", "null"],
    }
    assert properties["seen_at"]["format"] == "date-time"
    assert properties["day"]["format"] == "date"
    records = [each["record"] for each in messages if each["type"] == "RECORD"]
    assert [each["id"] for each in records] == [1, 2, 9007199254740993]
    assert records[0]["seen_at"] == "2026-03-01T11:00:00.500000Z"
    assert (records[0]["day"], records[0]["flag"], records[0]["name"]) == (
        "2026-03-01",
        True,
        "Åsa",
    )
    assert records[0]["nothing"] is None


def test_the_bookmark_is_bound_to_since(url: str, tmp_path: Path) -> None:
    messages, _ = run(tmp_path, url, [QUERY])
    state = messages[-1]["value"]
    bookmark = state["bookmarks"]["rows"]["replication_key_value"]
    greatest = max(each["record"]["seen_at"] for each in messages if each["type"] == "RECORD")
    assert bookmark == greatest

    later, _ = run(tmp_path, url, [QUERY], state)

    # the bookmark's second is read again
    assert [each["record"]["seen_at"] for each in later if each["type"] == "RECORD"] == [greatest]


@pytest.mark.parametrize(
    ("column", "bookmark"), [("id", 1), ("price", 0.25), ("CAST(id AS varchar)", "1")]
)
def test_a_bookmark_is_bound_as_a_value_of_its_column(
    url: str, tmp_path: Path, column: str, bookmark: Any
) -> None:
    table = f"(SELECT id, {column} AS version FROM t) AS versions"
    query = {
        "name": "rows",
        "query": f"SELECT * FROM {table} WHERE version > :since ORDER BY id",
        "replication_key": "version",
    }
    if column != "CAST(id AS varchar)":  # the first run's bookmark is an instant or 0
        messages, _ = run(tmp_path, url, [query])
        assert len([each for each in messages if each["type"] == "RECORD"]) == 3
    kept = {"replication_key": "version", "replication_key_value": bookmark}

    messages, _ = run(tmp_path, url, [query], {"bookmarks": {"rows": kept}})

    records = [each["record"] for each in messages if each["type"] == "RECORD"]
    assert [each["id"] for each in records] == [2, 9007199254740993]


@pytest.mark.parametrize(
    "values",
    [
        ["2026-03-01", "2026-03-02"],
        ["2026-03-01 10:00:00", "2026-03-01 10:00:01"],
        ["2026-03-01 10:00:00-05:00", "2026-03-01 11:00:00-05:00"],
        ["2026-W09", "2026-W10"],
    ],
)
def test_the_row_of_a_text_bookmark_is_read_again(values: list[str], tmp_path: Path) -> None:
    rows = " UNION ALL ".join(f"SELECT '{each}' AS at" for each in values)
    query = f"SELECT * FROM ({rows}) AS t WHERE at >= :since"
    kept = {"replication_key": "at", "replication_key_value": values[0]}
    url, stream = "sqlite://", {"name": "rows", "query": query, "replication_key": "at"}

    messages, _ = run(tmp_path, url, [stream], {"bookmarks": {"rows": kept}})

    assert [each["record"]["at"] for each in messages if each["type"] == "RECORD"] == values


def test_no_state_covers_a_part_of_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Any] = []
    monkeypatch.setattr(TapQuery, "write_message", lambda _, message: written.append(message))
    monkeypatch.setattr(LineWriter, "write_message", lambda _, message: written.append(message))
    query = (
        "WITH RECURSIVE t(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM t WHERE id < 10100) "
        "SELECT id, CASE WHEN id < 10100 THEN 1 ELSE 'x' END AS a FROM t"
    )
    streams = [{"name": "rows", "query": query, "replication_key": "id"}]
    with pytest.raises(PluginError, match="type str after values of type integer"):
        TapQuery(config={"url": "sqlite://", "streams": streams}).sync_all()

    last = max(n for n, each in enumerate(written) if isinstance(each, StateMessage))
    assert not any(isinstance(each, RecordMessage) for each in written[:last])


@pytest.mark.parametrize("query", ["SELECT 1 AS id, 2 AS id", "SELECT 1 AS id, 'x' AS a, 1 AS id"])
def test_two_columns_of_one_name_are_refused(query: str, url: str, tmp_path: Path) -> None:
    messages, log = run(tmp_path, url, [{"name": "rows", "query": query}], code=1)

    assert messages == []
    assert "stream 'rows': the query has the column 'id' twice: rename one" in log


def test_a_run_without_a_selected_stream_is_not_complete(tmp_path: Path) -> None:
    streams = [{"name": "rows", "query": "SELECT 1 AS id"}]
    (tmp_path / "catalog.json").write_text(json.dumps(deselected("rows")))

    messages, log = run(
        tmp_path, "sqlite://", streams, options=["--catalog", str(tmp_path / "catalog.json")]
    )

    assert messages == []
    assert "no stream is selected: nothing was read" in log


def deselected(stream: str) -> dict[str, Any]:
    metadata = [{"breadcrumb": [], "metadata": {"selected": False}}]
    schema = {"type": "object", "properties": {"id": {"type": ["integer", "null"]}}}
    return {"streams": [{"tap_stream_id": stream, "schema": schema, "metadata": metadata}]}


def test_an_empty_query_leaves_the_types_of_its_columns_to_later_runs(
    url: str, tmp_path: Path
) -> None:
    query = {**QUERY, "query": "SELECT * FROM t WHERE seen_at > :since AND id < 0"}

    messages, _ = run(tmp_path, url, [query])

    assert [each["type"] for each in messages] == ["STATE", "STATE"]
    assert messages[-1]["complete"]


def test_the_first_run_on_sqlite_reads_numbers_and_times(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "q.sqlite")) as connection:
        connection.execute("CREATE TABLE t AS SELECT 7 AS id, '2026-03-01 10:00:00' AS seen_at")
        connection.commit()
    streams = [
        {
            "name": key,
            "query": f"SELECT * FROM t WHERE {key} > :since",
            "key_properties": ["id"],
            "replication_key": key,
        }
        for key in ("id", "seen_at")
    ]

    messages, _ = run(tmp_path, f"sqlite:///{tmp_path}/q.sqlite", streams)

    records = [each["record"] for each in messages if each["type"] == "RECORD"]
    assert records == [{"id": 7, "seen_at": "2026-03-01 10:00:00"}] * 2


def test_a_connection_test_logs_no_error(url: str, tmp_path: Path) -> None:
    _, log = run(tmp_path, url, [QUERY], options=["--test"])

    assert "ERROR" not in log


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("SELECT * FROM missing", "stream 'rows': the query failed"),
        ("SELEC 1", "stream 'rows': the query failed"),
    ],
)
def test_a_query_that_fails_is_reported_in_one_line(
    query: str, reason: str, url: str, tmp_path: Path
) -> None:
    messages, log = run(tmp_path, url, [{"name": "rows", "query": query}], code=1)

    assert messages == []
    assert reason in log


def test_a_key_that_the_query_lacks_is_refused(url: str, tmp_path: Path) -> None:
    streams = [{"name": "rows", "query": "SELECT 1 AS a", "key_properties": ["b"]}]
    _, log = run(tmp_path, url, streams, code=1)
    assert "the query of 'rows' has no column 'b': it has a" in log


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({}, "setting 'url' is missing"),
        ({"url": "sqlite://"}, "setting 'streams' is missing"),
        ({"url": "sqlite://", "streams": []}, "setting 'streams' must have at least one entry"),
        ({"url": "sqlite://", "streams": [{"name": "a"}]}, "query"),
        ({"url": "sqlite://", "streams": [{"name": "a b", "query": "SELECT 1"}]}, "must match"),
        (
            {"url": "sqlite://", "streams": [{"name": "a", "query": "SELECT 1"}] * 2},
            "the name 'a' is given twice",
        ),
    ],
)
def test_invalid_settings_are_refused(config: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidSettingsError, match=reason):
        TapQuery(config=config)


def test_a_type_that_changes_after_the_sample_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tap_query.tap.SAMPLE", 1)
    query = "SELECT 1 AS a UNION ALL SELECT 'x'"
    tap = TapQuery(
        config={"url": "sqlite:///:memory:", "streams": [{"name": "rows", "query": query}]}
    )
    with pytest.raises(PluginError, match="column 'a' has a value of type str after values"):
        list(tap.streams["rows"].get_records(None))


def test_a_column_that_is_null_in_the_sample_of_more_rows_is_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tap_query.tap.SAMPLE", 1)
    query = "SELECT 1 AS id, NULL AS a UNION ALL SELECT 2, 7"
    streams = [{"name": "rows", "query": query, "key_properties": ["id"]}]
    tap = TapQuery(config={"url": "sqlite:///:memory:", "streams": streams})

    assert tap.streams["rows"].schema["properties"]["a"] == {"type": ["string", "null"]}
    records = list(tap.streams["rows"].get_records(None))
    assert records == [{"id": 1, "a": None}, {"id": 2, "a": "7"}]


def test_values_without_a_json_form_are_null_or_text(postgres_url: str, tmp_path: Path) -> None:
    columns = {
        "a": "'NaN'::numeric",
        "b": "1e400::numeric",
        "c": "ARRAY['Infinity'::numeric, 1.50]",
        "d": "ARRAY['10.0.0.1'::inet]",
        "e": "ARRAY[timestamp '2026-03-01']",
    }
    query = ", ".join(f"{value} AS {name}" for name, value in columns.items())
    messages, _ = run(tmp_path, postgres_url, [{"name": "rows", "query": f"SELECT {query}"}])
    (record,) = (each["record"] for each in messages if each["type"] == "RECORD")
    assert record == {
        "a": None,
        "b": 10**400,
        "c": [None, 1.5],
        "d": ["10.0.0.1"],
        "e": ["2026-03-01T00:00:00Z"],
    }
