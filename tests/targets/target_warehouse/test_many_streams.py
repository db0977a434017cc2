"""The cost of a stream does not grow with the number of streams before it."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
from target_warehouse.state import Checkpoints
from target_warehouse.warehouses.duckdb.adapter import DuckDBAdapter

from tests.targets.target_warehouse.warehouses import DuckDB, Warehouse, record, schema, state

STREAMS = [f"stream_{number}" for number in range(40)]
WHOLE_CATALOG = re.compile(r"duckdb_\w+\(\)|information_schema\.tables")


def test_the_catalog_of_duckdb_is_not_read_for_each_stream(
    duckdb: DuckDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: Counter[str] = Counter()
    execute = DuckDBAdapter.execute

    def counted(self: DuckDBAdapter, sql: str) -> list[tuple[Any, ...]]:
        found.update(WHOLE_CATALOG.findall(sql))
        return execute(self, sql)

    monkeypatch.setattr(DuckDBAdapter, "execute", counted)
    for _ in "ab":
        found.clear()
        duckdb.load(*_messages("x"))
        assert found.total() < len(STREAMS)


def test_a_state_after_each_of_many_streams(warehouse: Warehouse) -> None:
    for note in "ab":
        run = warehouse.load(*_messages(note))
        assert run.states[-1] == STREAMS[-1]
    for stream in STREAMS[::13]:
        assert warehouse.rows(f"SELECT id, note FROM {stream}") == [(1, "b")]


def test_states_wait_for_the_batches_before_them(capsys: pytest.CaptureFixture[str]) -> None:
    states = Checkpoints()
    for name in "abc":
        states.batch_opened(name)
        states.add(f"after {name}")
    states.add("after c again")
    for committed, emitted in (("b", ""), ("a", "after b\n"), ("c", "after c again\n")):
        states.committed(committed)
        assert capsys.readouterr().out == emitted


def _messages(note: str) -> list[dict[str, Any]]:
    return [
        message
        for stream in STREAMS
        for message in (
            schema(stream, id="integer", note={"type": "string", "description": stream}),
            record(stream, id=1, note=note),
            state(stream),
        )
    ]
