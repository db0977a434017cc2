"""Files that an SDK tap passes instead of records."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from singer_sdk.exceptions import InvalidInputLine
from target_warehouse import batch_files

from tests.targets.target_warehouse.oracle import cells, same
from tests.targets.target_warehouse.processes import assert_one_clear_line
from tests.targets.target_warehouse.small_tap import emitted
from tests.targets.target_warehouse.warehouses import Warehouse, record, schema, state

pytestmark = pytest.mark.one_warehouse

ITEMS = schema("items", id="integer", name="string", price="number", more="object")
ROWS: list[dict[str, Any]] = [
    {"id": 1, "name": "å\n\t\"'", "price": 1.5, "more": {"a": [1, 2]}},
    {"id": 2, "name": "", "price": 199.9, "more": {"a": []}},
    {"id": 3, "name": None, "price": None, "more": None},
]
JSONL = {"format": "jsonl", "compression": "gzip"}
PARQUET = {"format": "parquet", "compression": "gzip"}


def batch(*files: object, encoding: Mapping[str, str] = JSONL) -> dict[str, Any]:
    manifest = [str(file) for file in files]
    return {"type": "BATCH", "stream": "items", "encoding": dict(encoding), "manifest": manifest}


def packed(file: Path, *texts: str) -> str:
    """Write a file of these lines; return its URL."""
    file.write_bytes(gzip.compress("".join(f"{text}\n" for text in texts).encode()))
    return file.as_uri()


@pytest.fixture(autouse=True)
def _allow(warehouse: Warehouse, tmp_path: Path) -> None:
    warehouse.settings["batch_folders"] = [tmp_path.as_uri(), "s3://bucket", "gopher://host/"]


def assert_loaded(warehouse: Warehouse, rows: list[dict[str, Any]]) -> None:
    types = warehouse.types("items")
    found = {row["id"]: row for row in cells(warehouse, "items", types)}
    assert len(found) == len(rows)
    for row in json.loads(json.dumps(rows), parse_int=Decimal, parse_float=Decimal):
        for name, value in row.items():
            assert same(value, found[str(row["id"])][name], types[name]), name


@pytest.mark.parametrize("encoding", [JSONL, PARQUET], ids=["jsonl", "parquet"])
def test_batches_of_the_sdk(
    warehouse: Warehouse, tmp_path: Path, encoding: Mapping[str, str]
) -> None:
    storage = {"root": (tmp_path / "batches").as_uri(), "prefix": "part-"}
    (tmp_path / "batches").mkdir()
    config = {"encoding": encoding, "storage": storage, "batch_size": 2}
    rows = [{**row, "at": "2024-02-29T12:00:00+00:00"} for row in ROWS]
    lines = emitted(rows, batch_config=config)

    messages = list(map(json.loads, lines))
    kinds = [message["type"] for message in messages]
    assert (kinds.count("BATCH"), kinds.count("RECORD")) == (2, 0)
    states = [message["value"] for message in messages if message["type"] == "STATE"]
    for _ in range(2):
        run = warehouse.load(*lines)
        assert run.states[-1:] == states[-1:]
        assert_loaded(warehouse, ROWS)


def test_records_of_batch_files_and_of_the_messages_around_them(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    mark = "\N{BYTE ORDER MARK}"
    one = packed(tmp_path / "1.gz", mark + json.dumps(ROWS[0]), json.dumps(ROWS[1]))
    two = packed(tmp_path / "2.gz", "", json.dumps({**ROWS[0], "name": "newer"}))
    run = warehouse.load(
        ITEMS,
        record("items", id=1, name="older"),
        state(1),
        batch(one, two),
        state(2),
        record("items", id=2, name="newest"),
        state(3),
        add_record_metadata=True,
    )
    assert run.states == [3]
    assert warehouse.rows("SELECT id, name FROM items ORDER BY id") == [(1, "newer"), (2, "newest")]
    assert warehouse.rows("SELECT records, complete FROM _runs") == [(5, None)]


@pytest.mark.parametrize("batch_size_rows", [1, 2, 100])
def test_a_state_waits_for_the_files(
    warehouse: Warehouse, tmp_path: Path, batch_size_rows: int
) -> None:
    rows = packed(tmp_path / "1.gz", *[json.dumps(row) for row in ROWS])
    gone = tmp_path / "gone.gz"
    run = warehouse.load(
        ITEMS,
        batch(rows),
        state(1),
        batch(rows, gone),
        state(2),
        batch_size_rows=batch_size_rows,
        fails=True,
    )
    assert run.states == [1]
    assert_loaded(warehouse, ROWS)


def test_numbers_in_files_keep_their_digits(warehouse: Warehouse, tmp_path: Path) -> None:
    text = '{"id": 12345678901234567890, "price": 0.12345678901234567890}'
    warehouse.load(ITEMS, batch(packed(tmp_path / "1.gz", text)))
    types = warehouse.types("items")
    [row] = cells(warehouse, "items", {name: types[name] for name in ("id", "price")})
    exact = {"id": Decimal(12345678901234567890), "price": Decimal("0.1234567890123456789")}
    assert {name: Decimal(str(value)) for name, value in row.items()} == exact


def test_a_parquet_file_with_other_types(warehouse: Warehouse, tmp_path: Path) -> None:
    columns = {
        "id": pa.array([1], pa.int32()),
        "name": pa.array(["a"], pa.dictionary(pa.int8(), pa.string())),
        "price": pa.array([Decimal("199.90")], pa.decimal128(38, 2)),
        "more": pa.array([[1]], pa.list_(pa.int64())),
    }
    parquet.write_table(pa.table(columns), tmp_path / "1.parquet")
    warehouse.load(ITEMS, batch(tmp_path / "1.parquet", encoding=PARQUET))
    assert_loaded(warehouse, [{"id": 1, "name": "a", "price": 199.9, "more": [1]}])


def test_numbers_of_a_parquet_file_that_are_not_finite(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    file = tmp_path / "1.parquet"
    prices = [float("nan"), float("inf"), float("-inf"), 0.1]
    parquet.write_table(pa.table({"id": range(4), "price": prices, "more": prices}), file)
    warehouse.load(ITEMS, batch(file, encoding=PARQUET))
    found = warehouse.rows("SELECT price, more FROM items ORDER BY id")
    assert [str(price).lower() for price, _ in found] == ["nan", "infinity", "-infinity", "0.1"]
    assert [str(more).strip('"') for _, more in found] == ["NaN", "Infinity", "-Infinity", "0.1"]


def test_a_parquet_file_with_a_day_that_python_cannot_read(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    file = tmp_path / "1.parquet"
    days = pa.array([-62135596800000001], pa.timestamp("us"))
    parquet.write_table(pa.table({"id": [1], "day": days}), file)
    assert file.name in message_of(warehouse, file, encoding=PARQUET)


def test_a_parquet_file_with_two_columns_of_the_same_name(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    file = tmp_path / "1.parquet"
    parquet.write_table(pa.table([[1], [2]], names=["id", "id"]), file)
    assert "two columns of the same name" in message_of(warehouse, file, encoding=PARQUET)


def test_a_url_without_a_leading_slash_is_relative(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK writes such URLs if the root of its batches is one."""
    (tmp_path / "batches").mkdir()
    packed(tmp_path / "batches" / "a b.gz", *map(json.dumps, ROWS))
    monkeypatch.chdir(tmp_path)
    warehouse.load(ITEMS, batch("file://batches/a%20b.gz"))
    assert_loaded(warehouse, ROWS)


def test_a_record_in_a_file_that_does_not_fit(warehouse: Warehouse, tmp_path: Path) -> None:
    bad = '{"id": 9, "price": "a lot"}'
    file = packed(tmp_path / "1.gz", json.dumps(ROWS[0]), bad, json.dumps(ROWS[1]))
    run = warehouse.load(ITEMS, batch(file), state(1), fails=True)

    assert run.states == [1]
    assert_loaded(warehouse, ROWS[:2])
    assert warehouse.rows("SELECT record FROM _rejected") == [(bad,)]


def message_of(warehouse: Warehouse, *files: object, encoding: Mapping[str, str] = JSONL) -> str:
    """Return the loader's error about unreadable files, after it has loaded earlier records."""
    lines = [ITEMS, record("items", id=1), state(1), batch(*files, encoding=encoding), state(2)]
    run = warehouse.load(*lines, fails=True)
    assert isinstance(run.error, InvalidInputLine)
    assert run.states == [1]
    assert warehouse.rows("SELECT id FROM items") == [(1,)]
    message = str(run.error)
    assert message.startswith("line 4")
    return message


@pytest.mark.parametrize("encoding", [JSONL, PARQUET], ids=["jsonl", "parquet"])
def test_a_file_that_is_missing(
    warehouse: Warehouse, tmp_path: Path, encoding: Mapping[str, str]
) -> None:
    assert "gone.gz" in message_of(warehouse, (tmp_path / "gone.gz").as_uri(), encoding=encoding)


@pytest.mark.parametrize(
    "content",
    [b"", b"plain text", gzip.compress(b'{"id": 1}' * 999)[:-20]],
    ids=["empty", "no gzip", "cut off"],  # a name that holds the time would be another one each run
)
@pytest.mark.parametrize("encoding", [JSONL, PARQUET], ids=["jsonl", "parquet"])
def test_a_file_that_is_damaged(
    warehouse: Warehouse, tmp_path: Path, content: bytes, encoding: Mapping[str, str]
) -> None:
    file = tmp_path / "part.gz"
    file.write_bytes(content)
    assert "part.gz" in message_of(warehouse, file, encoding=encoding)


def test_a_file_that_is_missing_as_a_user_sees_it(warehouse: Warehouse, tmp_path: Path) -> None:
    run = warehouse.execute(ITEMS, record("items", id=1), state(1), batch(tmp_path / "gone.gz"))
    assert_one_clear_line(run, "line 4", "gone.gz")
    assert run.states == [1]


@pytest.mark.parametrize(
    "line",
    [
        "{no record}",
        '{"id": 5}, "x": {"id": 6}',
        '{"id": 5}, "record": {"id": 6}',
        '{"id": 5}} {',
        '{"id": NaN}, "version": 7',
        '{"id": 5} {"id": 6}',
    ],
)
def test_a_file_with_a_line_that_is_not_a_record(
    warehouse: Warehouse, tmp_path: Path, line: str
) -> None:
    file = packed(tmp_path / "part.gz", json.dumps(ROWS[0]), "", line, json.dumps(ROWS[1]))
    run = warehouse.load(ITEMS, batch(file), state(1), fails=True)
    assert isinstance(run.error, InvalidInputLine)
    assert str(run.error).startswith(f"line 3 of {file} is not a RECORD message")
    assert run.states == []
    assert warehouse.rows("SELECT id FROM items") == [(1,)]


def test_a_line_of_a_file_that_only_python_accepts(warehouse: Warehouse, tmp_path: Path) -> None:
    deep = "".join(['{"id": 5, "more": ', '{"a": ' * 100_000, "0", "}" * 100_000, "}"])
    file = packed(tmp_path / "part.gz", '{"id": 4, "price": NaN, "name": "\\ud800"}', deep)
    warehouse.load(ITEMS, batch(file), fails=True)
    assert warehouse.rows("SELECT id FROM items") == [(4,)]
    [(rejected,)] = warehouse.rows("SELECT record FROM _rejected")
    assert deep in rejected


@pytest.mark.parametrize(
    ("file", "words"),
    [("s3://bucket/part.gz", "s3fs"), ("gopher://host/part.gz", "gopher")],
)
def test_a_location_that_cannot_be_read(warehouse: Warehouse, file: str, words: str) -> None:
    message = message_of(warehouse, file)
    assert file in message
    assert words in message


def test_an_unknown_encoding(warehouse: Warehouse, tmp_path: Path) -> None:
    file = packed(tmp_path / "part.gz", json.dumps(ROWS[0]))
    assert "avro" in message_of(warehouse, file, encoding={"format": "avro"})
    assert "zip" in message_of(warehouse, file, encoding={"format": "jsonl", "compression": "zip"})


@pytest.mark.parametrize(
    "file",
    ["secret.jsonl", "batches/../secret.jsonl", "batches/link.jsonl", "batches-2/1.jsonl"],
)
@pytest.mark.parametrize("prefix", ["", "file://"])
def test_a_file_outside_the_allowed_folders_is_not_read(
    warehouse: Warehouse, tmp_path: Path, file: str, prefix: str
) -> None:
    for folder in ("batches", "batches-2"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.jsonl").write_text('{"id": 1}')
    (tmp_path / "secret.jsonl").write_text('{"id": 666}')
    (tmp_path / "batches/link.jsonl").symlink_to(tmp_path / "secret.jsonl")
    warehouse.settings["batch_folders"] = [str(tmp_path / "batches")]
    message = message_of(warehouse, f"{prefix}{tmp_path}/{file}", encoding={"format": "jsonl"})
    assert "not in a folder of the setting batch_folders" in message


@pytest.mark.parametrize(
    ("file", "allowed"),
    [
        ("s3://bucket-2/a.jsonl", "s3://bucket"),
        ("s3://bucket/../other/a.jsonl", "s3://bucket"),
        ("s3://bucket/%2E%2e/other/a.jsonl", "s3://bucket"),
        ("http://127.0.0.1/latest/meta-data", "/"),
        ("simplecache::s3://bucket/a.jsonl", "/"),
    ],
)
def test_a_url_outside_the_allowed_ones_is_not_read(
    warehouse: Warehouse, file: str, allowed: str
) -> None:
    warehouse.settings["batch_folders"] = [allowed]
    assert "batch_folders" in message_of(warehouse, file, encoding={"format": "jsonl"})


def test_no_batch_file_is_read_by_default(warehouse: Warehouse, tmp_path: Path) -> None:
    del warehouse.settings["batch_folders"]
    file = packed(tmp_path / "1.gz", json.dumps(ROWS[0]))
    assert "batch_folders, which is empty" in message_of(warehouse, file)


def test_a_pipe_is_not_waited_for(warehouse: Warehouse, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "is not a regular file" in message_of(
        warehouse, tmp_path / "pipe", encoding={"format": "jsonl"}
    )


def test_a_line_without_an_end_is_refused(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_files, "_LONGEST_LINE", 1 << 20)
    file = tmp_path / "bomb.gz"
    file.write_bytes(gzip.compress(b" " * (2 << 20)))
    assert "a line has more than 1 MiB" in message_of(warehouse, file)
