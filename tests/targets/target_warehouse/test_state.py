"""A state is never ahead of the data, however a run ends."""

from __future__ import annotations

import io
import signal

import pytest
from target_warehouse.state import Checkpoints
from target_warehouse.target import TargetWarehouse

from tests.targets.target_warehouse.processes import InSteps, Loading, assert_one_clear_line
from tests.targets.target_warehouse.warehouses import (
    DuckDB,
    PostgreSQL,
    Warehouse,
    record,
    schema,
    state,
)

ORDERS = schema("orders", id="integer", note="string")


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


@pytest.mark.one_warehouse
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


@pytest.mark.one_warehouse
def test_a_state_is_emitted_unchanged(
    warehouse: Warehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    text = '{"z": 1.10, "a": "\\u00e5", "b": [1e400]}'
    target = TargetWarehouse(config={"url": warehouse.url})
    target.listen(io.StringIO(f'{{"type": "STATE", "value": {text}}}'))
    assert capsys.readouterr().out == f"{text}\n"


@pytest.mark.one_warehouse
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


def test_a_state_is_emitted_after_its_rows_are_committed(postgresql: PostgreSQL) -> None:
    lines = InSteps([ORDERS, record("orders", id=1), record("orders", id=2), state(2), state(3)])
    loading = Loading(postgresql, lines, batch_size_rows=2)
    lines.let_through(4)
    loading.wait_for(1)

    assert loading.states == [2]
    assert postgresql.rows("SELECT count(*) FROM orders") == [(2,)]
    lines.let_through(1)
    assert loading.end().states == [2, 3]


def test_a_terminated_overwrite_keeps_the_old_table(warehouse: Warehouse) -> None:
    warehouse.load(ORDERS, record("orders", id=1), record("orders", id=2))
    lines = InSteps([ORDERS, record("orders", id=3, extra="of the warning"), state(3), state(4)])
    loading = Loading(warehouse, lines, load_method="overwrite", batch_size_rows=1)
    lines.let_through(3)
    loading.wait_for_text("'extra'")
    run = loading.end(by=signal.SIGTERM)

    assert (run.code, run.states) == (128 + signal.SIGTERM, [])
    assert warehouse.rows("SELECT id FROM orders ORDER BY id") == [(1,), (2,)]


BROKEN = '{"type": "RECORD", "stream": "orders", "record": {"id": 9 9}}'


@pytest.mark.one_warehouse
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


@pytest.mark.one_warehouse
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


def test_a_connection_that_is_cut(postgresql: PostgreSQL) -> None:
    lines = InSteps(
        [ORDERS, *[each for n in (1, 2) for each in (record("orders", id=n), state(n))]]
    )
    loading = Loading(postgresql, lines, batch_size_rows=1)
    lines.let_through(3)
    loading.wait_for(1)
    postgresql.rows(
        "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity "
        "WHERE application_name = 'target-warehouse' AND datname = current_database()"
    )
    lines.let_through(2)
    run = loading.end()

    assert (run.code, run.states) == (0, [1, 2])
    assert "; retrying" in run.stderr
    assert postgresql.rows("SELECT id FROM orders ORDER BY id") == [(1,), (2,)]


def test_a_file_that_another_process_has_open(duckdb: DuckDB) -> None:
    lines = InSteps([ORDERS, record("orders", id=1), state(1), state(2)])
    loading = Loading(duckdb, lines, batch_size_rows=1)
    lines.let_through(3)
    loading.wait_for(1)

    run = duckdb.execute(ORDERS, record("orders", id=2), state(2))
    assert_one_clear_line(run)
    assert run.states == []
    lines.let_through(1)
    assert loading.end().code == 0
