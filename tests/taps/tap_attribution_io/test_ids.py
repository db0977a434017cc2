"""The sources of customers' ids: settings, files and queries."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from tap_attribution_io.tap import TapAttributionIo

from attribution_elt.kit.errors import InvalidSettingsError
from attribution_elt.sandbox.attribution_io import AttributionIo
from tests.tap_process import Output
from tests.taps.tap_attribution_io.helpers import (
    matches_truth,
    progress,
    requested_ids,
    run,
    run_here,
    settings,
)

ACCOUNT = {"public_key": "key of nobody", "secret": "secret of nobody"}


def text_file(path: Path, ids: list[str]) -> None:
    path.write_text("\ufeff\n" + "\r\n".join(f" {id_}\t" for id_ in ids), newline="")


def csv_file(path: Path, ids: list[str]) -> None:
    quoted = [f'{n},"{id_.replace(chr(34), 2 * chr(34))}"' for n, id_ in enumerate(ids)]
    path.write_text("\ufeffn,client_id\n" + "\n".join(quoted) + "\n")


def jsonl_file(path: Path, ids: list[str]) -> None:
    rows = [{"n": None, "client_id": id_} for id_ in [*ids, None]]
    path.write_text("\ufeff" + "\n\n".join(map(json.dumps, rows)))


def parquet_file(path: Path, ids: list[str]) -> None:
    parquet.write_table(pa.table({"client_id": [*ids, None], "n": [1] * (len(ids) + 1)}), path)


FILES: dict[str, Callable[[Path, list[str]], None]] = {
    "ids.txt": text_file,
    "ids.csv": csv_file,
    "ids.JSONL": jsonl_file,
    "ids.parquet": parquet_file,
}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """An SQLite database with an empty table of customers."""
    path = tmp_path / "crm.db"
    execute(path, "CREATE TABLE customer (id, changed)")
    return path


def execute(path: Path, statement: str, *rows: tuple[Any, ...]) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany(statement, rows or [()])


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_ids(vendor: AttributionIo, tmp_path: Path, name: str) -> None:
    FILES[name](tmp_path / name, [*vendor.client_ids, *vendor.client_ids[:5]])
    assert matches_truth(vendor, run_here(settings(vendor, customer_ids_file=str(tmp_path / name))))
    assert sorted(requested_ids(vendor)) == sorted(vendor.client_ids)


@pytest.mark.parametrize("name", ["ids.csv", "ids.jsonl", "ids.parquet"])
def test_ids_that_are_numbers(vendor: AttributionIo, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith("parquet"):
        parquet.write_table(pa.table({"client_id": [11, 2**62]}), path)
    elif name.endswith("jsonl"):
        path.write_text(f'{{"client_id":11}}\n{{"client_id":{2**62}}}')
    else:
        path.write_text(f"client_id\n11\n{2**62}")
    run_here(settings(vendor, customer_ids_file=str(path)))
    assert sorted(requested_ids(vendor)) == ["11", str(2**62)]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([11.0, None, float("nan"), 2.0**52]),
        pa.array([Decimal("11.00"), None, Decimal(2**52)]),
        pa.array([b"11", None, str(2**52).encode()]),
    ],
    ids=lambda column: str(column.type),
)
def test_numbers_and_texts_of_other_types(
    vendor: AttributionIo, tmp_path: Path, column: Any
) -> None:
    path = tmp_path / "ids.parquet"
    parquet.write_table(pa.table({"client_id": column}), path)
    run_here(settings(vendor, customer_ids_file=str(path)))
    assert sorted(requested_ids(vendor)) == ["11", str(2**52)]


def test_numbers_in_the_settings(vendor: AttributionIo) -> None:
    run_here(settings(vendor, customer_ids=[11, 2**62, "11"]))
    assert sorted(requested_ids(vendor)) == ["11", str(2**62)]


def test_all_sources_at_once_and_each_id_once(
    vendor: AttributionIo, tmp_path: Path, database: Path
) -> None:
    ids = vendor.client_ids
    text_file(tmp_path / "ids.txt", ids[5:15])
    execute(
        database, "INSERT INTO customer VALUES (?, NULL)", *((id_,) for id_ in ids[10:]), (None,)
    )
    config = settings(
        vendor,
        customer_ids=ids[:8],
        customer_ids_file=str(tmp_path / "ids.txt"),
        customer_ids_url=f"sqlite:///{database}",
        customer_ids_query="SELECT id, 'ignored' FROM customer",
    )
    assert matches_truth(vendor, run_here(config))
    assert sorted(requested_ids(vendor)) == sorted(ids)


def test_since_is_bound_to_the_start_of_the_last_complete_run(
    vendor: AttributionIo, database: Path
) -> None:
    execute(
        database,
        "INSERT INTO customer VALUES (?, ?)",
        ("MrSmith", "1999-12-31T10:00:00Z"),
        ("11", "2999-01-01T00:00:00Z"),
    )
    config = settings(
        vendor,
        customer_ids_url=f"sqlite:///{database}",
        customer_ids_query="SELECT id FROM customer WHERE changed >= :since",
    )
    before = datetime.now(UTC).replace(microsecond=0)
    first = run_here(config)
    assert sorted(requested_ids(vendor)) == ["11", "MrSmith"]
    state = first.states[-1]
    completed = datetime.fromisoformat(progress(state)["completed"])
    assert before <= completed <= datetime.now(UTC)

    vendor.requests.clear()
    again = run_here(config, state=state)
    assert requested_ids(vendor) == ["11"]

    vendor.requests.clear()
    for each in state["bookmarks"].values():
        each["completed"] = "2999-06-01T00:00:00Z"
    assert run_here(config, state=state).of("RECORD") == []
    assert requested_ids(vendor) == []
    assert again.code == 0


def test_a_query_may_omit_since_and_contain_other_colons(
    vendor: AttributionIo, database: Path
) -> None:
    execute(database, "INSERT INTO customer VALUES ('MrSmith', '12:30')")
    query = "SELECT id FROM customer WHERE changed = '12\\:30'"
    run_here(settings(vendor, customer_ids_url=f"sqlite:///{database}", customer_ids_query=query))
    assert requested_ids(vendor) == ["MrSmith"]


@pytest.mark.parametrize("id_", [".", "..", "a\ud83e"])
def test_an_id_that_no_path_can_contain_is_not_requested(
    vendor: AttributionIo, caplog: pytest.LogCaptureFixture, id_: str
) -> None:
    output = run_here(settings(vendor, customer_ids=[id_, "MrSmith", "..."]))
    assert output.code == 0
    assert sorted(requested_ids(vendor)) == ["...", "MrSmith"]
    assert "customers that no URL can name, not requested: 1" in caplog.text
    assert progress(output.states[-1])["completed"]


def test_a_run_without_customers_is_not_a_failure(vendor: AttributionIo, tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("\n \n")
    output = run_here(settings(vendor, customer_ids_file=str(tmp_path / "ids.txt")))
    assert (output.code, output.of("RECORD"), requested_ids(vendor)) == (0, [], [])
    assert progress(output.states[-1])["completed"]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, ["'customer_ids', 'customer_ids_file' or 'customer_ids_url' is missing"]),
        ({"customer_ids": []}, ["is missing"]),
        ({"customer_ids": "MrSmith"}, ["'customer_ids'"]),
        ({"customer_ids": [None]}, ["'customer_ids[0]'"]),
        ({"customer_ids_file": "/nowhere/ids.txt"}, ["'/nowhere/ids.txt' does not exist"]),
        ({"customer_ids_file": __file__}, ["must end in one of .txt, .csv"]),
        ({"customer_ids_url": "sqlite://"}, ["must be set together"]),
        ({"customer_ids": ["a"], "customer_ids_query": "SELECT 1"}, ["must be set together"]),
        ({"customer_ids": ["a"], "secret": ""}, ["'secret'"]),
        ({"customer_ids": ["a"], "public_key": None, "pii": "hash"}, ["'public_key'", "'pii_key'"]),
    ],
)
def test_invalid_settings_are_reported_in_a_line_each(
    more: dict[str, Any], expected: list[str]
) -> None:
    with pytest.raises(InvalidSettingsError) as raised:
        TapAttributionIo(config={**ACCOUNT, **more})
    assert len(raised.value.faults) == len(expected)
    assert all(any(words in line for line in raised.value.faults) for words in expected)


def fails_before_any_request(vendor: AttributionIo, output: Output, *words: str) -> bool:
    (line,) = output.stderr.splitlines()
    assert all(word in line for word in words), line
    assert (output.code, output.of("RECORD"), requested_ids(vendor)) == (1, [], [])
    return True


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("ids.csv", b"id\n1\n", ["row 1 has no column client_id"]),
        ("ids.csv", b"client_id;name\n1;x\n", ["row 1 has no column client_id"]),
        ("ids.csv", b"client_id\n\xff\n", ["utf-8"]),
        ("ids.txt", b"\xff\n", ["utf-8"]),
        ("ids.jsonl", b'{"client_id":1}\n{"id":2}\n', ["row 2 has no column client_id"]),
        ("ids.jsonl", b'{"client_id":1}\n[2]\n', ["line 2 is not an object"]),
        ("ids.jsonl", b'{"client_id":1}\n{"client_id":', ["line 2", "truncated"]),
        ("ids.parquet", b"not parquet", ["ids.parquet"]),
    ],
)
def test_a_file_that_cannot_be_read_is_reported_in_a_line(
    vendor: AttributionIo, tmp_path: Path, name: str, content: bytes, words: list[str]
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    output = run_here(settings(vendor, customer_ids_file=str(path)))
    assert fails_before_any_request(vendor, output, "'customer_ids_file'", str(path), *words)


@pytest.mark.parametrize(
    ("url", "query", "word"),
    [
        ("sqlite:///{path}", "SELECT id FROM nowhere", "no such table: nowhere"),
        ("sqlite:///{path}", "SELEKT 1", "syntax error"),
        ("sqlite:///{path}", "SELECT :until", "until"),
        ("sqlite:////nowhere/crm.db", "SELECT 1", "does not exist"),
        ("crm", "SELECT 1", "not a valid SQLAlchemy URL"),
        ("oracel://u:s3cr3t@h/db", "SELECT 1", "oracel"),
        ("mysql+pymysql://u:s3cr3t@h/db", "SELECT 1", "pymysql, which is not installed"),
        ("postgresql+psycopg://u@h:s3cr3t/db", "SELECT 1", "not a valid SQLAlchemy URL"),
    ],
)
def test_a_query_that_cannot_be_run_is_reported_in_a_line(
    vendor: AttributionIo, database: Path, url: str, query: str, word: str
) -> None:
    url = url.format(path=database)
    output = run_here(settings(vendor, customer_ids_url=url, customer_ids_query=query))
    assert fails_before_any_request(vendor, output, "'customer_ids_url'", word)
    assert "s3cr3t" not in output.stderr


@pytest.mark.parametrize(
    "url",
    ["postgresql+psycopg://user:{}@127.0.0.1:1/crm", "postgresql+psycopg://user@127.0.0.1:{}/crm"],
)
def test_a_password_in_a_url_is_in_no_output(
    vendor: AttributionIo, tmp_path: Path, url: str
) -> None:
    config = settings(
        vendor, customer_ids_url=url.format("pa%2Fss-w0rd"), customer_ids_query="SELECT 1"
    )
    output = run(tmp_path, config=config, level="DEBUG")
    assert output.code == 1
    assert len(output.errors) == 1
    assert "Traceback" not in output.stderr
    for spelling in ("pa%2Fss-w0rd", "pa/ss-w0rd", "ss-w0rd"):
        assert spelling not in output.stderr + output.stdout.decode()


def test_a_new_password_of_the_database_changes_no_hash(
    vendor: AttributionIo, database: Path
) -> None:
    execute(database, "INSERT INTO customer VALUES ('MrSmith', NULL)")
    hashes = set()
    for password in ("first", "second"):
        url = f"sqlite:///{database}?password={password}"
        query = "SELECT id FROM customer"
        config = settings(vendor, customer_ids_url=url, customer_ids_query=query, pii="drop")
        hashes.add(run_here(config).records("customers")[0]["client_id"])
    assert len(hashes) == 1
