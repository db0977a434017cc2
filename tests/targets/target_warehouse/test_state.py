"""A state is never ahead of the data, however a run ends."""

from __future__ import annotations

import io
import json
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from target_warehouse.state import Checkpoints
from target_warehouse.target import TargetWarehouse

from tests.targets.target_warehouse.warehouses import (
    DuckDB,
    Line,
    PostgreSQL,
    Warehouse,
    record,
    schema,
    singer,
    state,
)

ORDERS = schema("orders", id="integer", note="string")


class Process:
    """The real executable, with input and output step by step."""

    def __init__(self, warehouse: Warehouse, **settings: Any) -> None:
        self.process = subprocess.Popen(
            warehouse.command(**settings),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def send(self, *lines: Line) -> None:
        assert self.process.stdin
        self.process.stdin.write(singer(lines).encode())
        self.process.stdin.flush()

    def next_state(self) -> Any:
        assert self.process.stdout
        return json.loads(self.process.stdout.readline())

    def end(self, by: signal.Signals | None = None) -> tuple[int, list[Any]]:
        """End it by a signal or the end of its input; return exit code and remaining states."""
        if by is not None:
            self.process.send_signal(by)
            self.process.wait(60)
        output, _ = self.process.communicate(timeout=60)
        return self.process.returncode, list(map(json.loads, output.splitlines()))


def test_a_state_waits_for_all_batches_that_were_open(capsys: pytest.CaptureFixture[str]) -> None:
    states = Checkpoints()

    states.add("1")
    assert capsys.readouterr().out == "1\n"

    states.batch_opened("a")
    states.add("2")
    states.batch_opened("b")
    states.add("3")
    states.add("4")
    states.batch_opened("c")
    states.committed("b")
    states.add("5")
    assert not capsys.readouterr().out
    states.committed("a")
    assert capsys.readouterr().out == "4\n"
    states.committed("c")
    assert capsys.readouterr().out == "5\n"


def test_the_last_state_comes_out_at_the_end(warehouse: Warehouse) -> None:
    run = warehouse.load(
        state({"n": 0}),
        ORDERS,
        record("orders", id=1),
        state({"n": 1}),
        record("orders", id=2),
        state({"n": 2}),
    )
    assert run.states == [{"n": 0}, {"n": 2}]


def test_a_state_is_emitted_unchanged(
    warehouse: Warehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    text = '{"z": 1.10, "a": "\\u00e5", "b": [1e400]}'
    target = TargetWarehouse(config={"url": warehouse.url})
    target.listen(io.StringIO(f'{{"type": "STATE", "value": {text}}}'))
    assert capsys.readouterr().out == f"{text}\n"


def test_a_state_waits_for_every_stream_before_it(warehouse: Warehouse) -> None:
    orders = [record("orders", id=number) for number in range(4)]
    run = warehouse.load(
        ORDERS,
        schema("others", id="integer"),
        orders[0],
        state(0),
        record("others", id=1),
        state(1),
        *orders[1:],
        state(2),
        batch_size_rows=2,
    )
    # The first batch of orders is committed before that of the others, which is never full.
    assert run.states == [0, 2]


def test_a_state_is_emitted_after_its_rows_are_committed(postgres_url: str, tmp_path: Any) -> None:
    warehouse = PostgreSQL(postgres_url, tmp_path)
    loading = Process(warehouse, batch_size_rows=2)
    loading.send(ORDERS, *[record("orders", id=1), record("orders", id=2)], state(2))

    assert loading.next_state() == 2
    assert warehouse.rows("SELECT count(*) FROM orders") == [(2,)]
    assert loading.end() == (0, [])


@pytest.mark.parametrize("states_before", [1, 3])
def test_a_killed_load_can_be_resumed(warehouse: Warehouse, states_before: int) -> None:
    def source(after: int) -> Iterator[Line]:
        yield ORDERS
        for number in range(after + 1, 2_001):
            yield record("orders", id=number % 1_500, note=f"{number} {'x' * 100}")
            if number % 50 == 0:
                yield state(number)

    settings: dict[str, Any] = {"batch_size_rows": 130}
    loading = Process(warehouse, **settings)
    # More input than a pipe holds, so that it is killed while it reads.
    loading.send(*[line for _, line in zip(range(1_000), source(0), strict=False)])
    seen = [loading.next_state() for _ in range(states_before)]
    code, rest = loading.end(by=signal.SIGKILL)
    reached = [*seen, *rest][-1]

    assert code == -signal.SIGKILL
    notes = dict(warehouse.rows("SELECT id, note FROM orders"))
    assert all(int(notes[number].split()[0]) >= number for number in range(1, reached + 1))

    assert warehouse.execute(*source(reached), **settings).states[-1] == 2_000
    assert dict(warehouse.rows("SELECT id, note FROM orders")) == {
        line["record"]["id"]: line["record"]["note"]
        for line in source(0)
        if not isinstance(line, str) and line["type"] == "RECORD"
    }


@pytest.mark.parametrize("ends", [signal.SIGTERM, signal.SIGINT])
def test_a_terminated_load_commits_the_records_it_has_received(
    warehouse: Warehouse, ends: signal.Signals
) -> None:
    loading = Process(warehouse, batch_size_rows=2)
    records = [record("orders", id=number) for number in range(3)]
    loading.send(ORDERS, *records[:2], state(2), records[2], state(3))

    assert loading.next_state() == 2
    assert loading.end(by=ends) == (128 + ends, [3])
    assert warehouse.rows("SELECT count(*) FROM orders") == [(3,)]


def test_a_terminated_overwrite_keeps_the_old_table(warehouse: Warehouse) -> None:
    warehouse.load(ORDERS, record("orders", id=1), record("orders", id=2))
    loading = Process(warehouse, load_method="overwrite", batch_size_rows=1)
    loading.send(ORDERS, record("orders", id=3, extra="tells that this has been read"), state(3))
    assert loading.process.stderr
    while b"'extra'" not in loading.process.stderr.readline():
        pass

    assert loading.end(by=signal.SIGTERM) == (128 + signal.SIGTERM, [])
    assert warehouse.rows("SELECT id FROM orders ORDER BY id") == [(1,), (2,)]


BROKEN = '{"type": "RECORD", "stream": "orders", "record": {"id": 9 9}}'


def test_records_before_an_invalid_line_are_loaded(warehouse: Warehouse) -> None:
    orders = [record("orders", id=number) for number in range(6)]
    run = warehouse.load(
        ORDERS,
        *orders[:3],
        state(3),
        *orders[3:5],
        BROKEN,
        orders[5],
        state(6),
        batch_size_rows=3,
        fails=True,
    )

    assert str(run.error).startswith("line 8 is not a RECORD message: ")
    assert run.states == [3]
    assert warehouse.rows("SELECT max(id) FROM orders") == [(4,)]


@pytest.mark.parametrize("before", [0, 1, 3, 700])
def test_no_state_after_an_invalid_line_is_emitted(warehouse: Warehouse, before: int) -> None:
    others = {**ORDERS, "stream": "others"}
    run = warehouse.load(
        ORDERS,
        record("orders", id=0),
        others,
        *[record("others", id=number) for number in range(3)],
        {**ORDERS, "schema": {**ORDERS["schema"], "title": "so that a batch begins"}},
        *[record("orders", id=number) for number in range(1, before)],
        BROKEN,
        *[record("orders", id=number) for number in range(1000, 2000)],
        state(2000),
        fails=True,
    )

    assert "is not a RECORD message" in str(run.error)
    assert run.states == []
    assert warehouse.rows("SELECT count(*) FROM orders") == [(max(before, 1),)]
    assert warehouse.rows("SELECT count(*) FROM others") == [(3,)]


def test_a_connection_that_is_cut(postgres_url: str, tmp_path: Any) -> None:
    warehouse = PostgreSQL(postgres_url, tmp_path)
    loading = Process(warehouse, batch_size_rows=1)
    loading.send(ORDERS, record("orders", id=1), state(1))
    assert loading.next_state() == 1
    warehouse.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'target-warehouse' AND datname = current_database()"
    )
    loading.send(record("orders", id=2), state(2))
    assert loading.process.stdin
    loading.process.stdin.close()
    loading.process.stdin = None

    output, errors = loading.process.communicate(timeout=60)
    assert (loading.process.returncode, json.loads(output)) == (0, 2)
    assert b"; retrying" in errors
    assert warehouse.rows("SELECT id FROM orders ORDER BY id") == [(1,), (2,)]


def test_a_file_that_another_process_has_open(tmp_path: Any) -> None:
    warehouse = DuckDB(f"duckdb:///{tmp_path}/warehouse.duckdb", tmp_path)
    loading = Process(warehouse, batch_size_rows=1)
    loading.send(ORDERS, record("orders", id=1), state(1))
    assert loading.next_state() == 1

    run = warehouse.execute(ORDERS, record("orders", id=2), state(2))
    assert run.code == 1
    assert run.states == []
    assert "Traceback" not in run.stderr
    assert run.stderr.splitlines()[-1].startswith("Error: ")
    assert loading.end() == (0, [])
