"""Large values, wide records, many streams."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from target_warehouse.arrow import conformed
from target_warehouse.columns import ColumnType

from tests.targets.target_warehouse.processes import (
    Loading,
    Source,
    assert_complete,
    assert_covered,
    assert_one_clear_line,
)
from tests.targets.target_warehouse.warehouses import (
    DuckDB,
    Line,
    PostgreSQL,
    SQLite,
    Warehouse,
    raw_record,
    record,
    schema,
    singer,
    state,
)

MB = 1 << 20
STREAMS = int(os.environ.get("WAREHOUSE_STREAMS", "150"))


def test_values_of_twenty_megabytes(warehouse: Warehouse) -> None:
    text = '"' + "å\\n" * (7 * MB) + '"'
    more = '{"a": [' + ", ".join(["1234567.50"] * (2 * MB)) + "]}"
    assert min(len(text.encode()), len(more)) > 20 * MB
    lines: list[Line] = [
        schema("documents", id="integer", text="string", more="object"),
        raw_record("documents", f'{{"id": 1, "text": {text}}}'),
        raw_record("documents", f'{{"id": 2, "more": {more}}}'),
        record("documents", id=3, text="small"),
        state("done"),
    ]
    for _ in range(2):
        assert warehouse.load(*lines).states == ["done"]

    sql = "SELECT id, length(text), length(CAST(more AS text)) FROM documents ORDER BY id"
    assert warehouse.rows(sql) == [(1, 14 * MB, None), (2, None, len(more)), (3, 5, None)]


def columns(number: int, *kinds: str) -> dict[str, str]:
    """So many properties, of these types in turn."""
    return {f"property_{each}": kinds[each % len(kinds)] for each in range(number)}


def test_a_stream_of_five_hundred_properties(warehouse: Warehouse) -> None:
    examples: dict[str, Any] = {
        "integer": 7,
        "string": "text",
        "number": 1.5,
        "boolean": True,
        "object": {"a": 1},
    }
    described = columns(500, *examples)
    values = {name: examples[kind] for name, kind in described.items()}
    lines = [record("wide", id=number, **values) for number in range(10)]
    for _ in range(2):
        warehouse.load(schema("wide", id="integer", **described), *lines)

    assert len(warehouse.types("wide")) == 501
    sql = "SELECT count(*), min(property_1), max(property_496) FROM wide"
    assert warehouse.rows(sql) == [(10, "text", "text")]


def test_thousands_of_columns_take_little_time() -> None:
    kinds = {f"property_{each}": ColumnType.TEXT for each in range(4_000)}
    start = time.process_time()
    wide = conformed(pa.table({"id": pa.array([1, 2])}), kinds)
    assert time.process_time() - start < 1, "s; a copy of the table for each column takes 10"
    assert wide.column_names == ["id", *kinds]
    assert wide["property_3999"].to_pylist() == [None, None]


def test_a_row_that_is_larger_than_a_page(postgresql: PostgreSQL) -> None:
    described = columns(600, "string")
    wide = dict.fromkeys(described, "x" * 20)  # too short to be put elsewhere
    run = postgresql.load(
        schema("wide", id="integer", **described),
        record("wide", id=1, property_0="x"),
        record("wide", id=2, **wide),
        record("wide", id=3, property_1="x"),
        state("done"),
        fails=True,
    )
    assert run.states == ["done"]
    assert postgresql.rows("SELECT id FROM wide ORDER BY id") == [(1,), (3,)]
    [(reason,)] = postgresql.rows("SELECT reason FROM _rejected")
    assert "row is too big" in reason


def test_more_columns_than_a_table_may_have(postgresql: PostgreSQL) -> None:
    wide = schema("wide", id="integer", **columns(1_600, "integer"))
    run = postgresql.execute(wide, record("wide", id=1), state(1))
    assert_one_clear_line(run, "stream 'wide'", "1600 columns")
    assert run.states == []

    nearly = schema("growing", id="integer", **columns(1_580, "integer"))
    records = [record("growing", id=number, **{f"late_{number}": 1}) for number in range(30)]
    run = postgresql.execute(nearly, *records, state(1))
    assert_one_clear_line(run, "stream 'growing'", "1600 columns")
    assert run.states == []


MEASURED = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
"""
"""Runs a command and prints its exit code and the MB that it took at most.

That takes a small process between: a child's memory counts from what its parent has.
"""


def measured(warehouse: Warehouse, lines: Iterable[Line]) -> tuple[int, int]:
    """Run the executable; its exit code, and the most memory that it took, in MB."""
    given = warehouse.folder / "input.singer"
    given.write_text(singer(lines))
    command = [sys.executable, "-c", MEASURED, *map(str, warehouse.command())]
    with given.open() as stdin:
        done = subprocess.run(command, stdin=stdin, capture_output=True, text=True, check=True)
    code, peak = map(int, done.stdout.split())
    return code, peak


@pytest.mark.long
def test_a_large_record_takes_three_times_its_size(postgresql: PostgreSQL) -> None:
    size, texts = 100, schema("texts", id="integer", text="string")
    small, large = record("texts", id=1, text="x"), record("texts", id=2, text="x" * (size << 20))

    _, least = measured(postgresql, [texts, small])
    code, peak = measured(postgresql, [texts, small, large])

    assert code == 0
    assert peak - least < 3.5 * size


def test_many_streams_of_few_records(warehouse: Warehouse) -> None:
    names = [f"stream_{number}" for number in range(STREAMS)]
    turns: list[Any] = [record(name, id=turn, text="x") for turn in range(20) for name in names]
    lines = [*(schema(name, id="integer", text="string") for name in names), *turns, state("done")]
    code, peak = measured(warehouse, lines)

    assert code == 0
    assert peak < 400, "MB"
    for name in (names[0], names[-1]):
        sql = f"SELECT count(*), count(DISTINCT _sdc_batched_at) FROM {name}"
        assert warehouse.rows(sql) == [(20, 1)]
    assert warehouse.rows("SELECT count(*), sum(inserted) FROM _runs") == [(STREAMS, 20 * STREAMS)]


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="there is no way to limit a process")
@pytest.mark.parametrize(
    ("kind", "url"),
    [(DuckDB, "duckdb:///{}/warehouse.duckdb"), (SQLite, "sqlite:///{}/warehouse.db")],
)
def test_a_disk_that_is_full(tmp_path: Path, kind: type[Warehouse], url: str) -> None:
    source = Source(records=10_000)
    warehouse = kind(url.format(tmp_path), tmp_path)
    loading = Loading(warehouse, source.lines(), batch_size_rows=500)
    resource.prlimit(loading.process.pid, resource.RLIMIT_FSIZE, (2 * MB, 2 * MB))
    run = loading.end()

    assert_one_clear_line(run, "stream '")
    assert run.states
    assert_covered(warehouse, source, run.states[-1])
    again = Loading(warehouse, source.lines(run.states[-1]), batch_size_rows=500).end()
    assert again.code == 0
    assert_complete(warehouse, source)
