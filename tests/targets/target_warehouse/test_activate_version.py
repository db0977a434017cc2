"""Rows of a superseded version are removed when the new version is complete, not earlier."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from tests.targets.target_warehouse.processes import InSteps, Loading
from tests.targets.target_warehouse.small_tap import emitted
from tests.targets.target_warehouse.warehouses import (
    Line,
    PostgreSQL,
    Warehouse,
    record,
    schema,
    state,
    warnings_in,
)

ITEMS = schema("items", id="integer", note="string")
METADATA = {"add_record_metadata": True}


def activate(version: int, stream: str = "items") -> dict[str, Any]:
    return {"type": "ACTIVATE_VERSION", "stream": stream, "version": version}


def items(version: int, *ids: int, stream: str = "items") -> list[Line]:
    return [{**record(stream, id=number, note="x"), "version": version} for number in ids]


def ids(warehouse: Warehouse, stream: str = "items") -> list[int]:
    return [number for (number,) in warehouse.rows(f"SELECT id FROM {stream} ORDER BY id")]


@pytest.fixture
def loaded(warehouse: Warehouse) -> Warehouse:
    """Return a warehouse with rows without a version, and rows of the first version."""
    warehouse.load(ITEMS, record("items", id=1), record("items", id=2), **METADATA)
    warehouse.load(ITEMS, *items(1, 2, 3, 4), **METADATA)
    assert ids(warehouse) == [1, 2, 3, 4]
    return warehouse


@pytest.mark.parametrize("batch_size_rows", [1, 2, 100])
@pytest.mark.parametrize("load_method", ["upsert", "append-only"])
def test_activate_version_after_the_last_record(
    loaded: Warehouse, batch_size_rows: int, load_method: str
) -> None:
    run = loaded.load(
        ITEMS,
        *items(2, 4, 5, 6),
        activate(2),
        state("done"),
        batch_size_rows=batch_size_rows,
        load_method=load_method,
        **METADATA,
    )
    assert run.states[-1] == "done"
    assert ids(loaded) == [4, 5, 6]


@pytest.mark.one_warehouse
@pytest.mark.parametrize("batch_size_rows", [1, 100])
def test_activate_version_before_the_records(loaded: Warehouse, batch_size_rows: int) -> None:
    lines = [ITEMS, activate(2), *items(2, 4, 5), state(1), *items(2, 6), state(2)]
    loaded.load(*lines, batch_size_rows=batch_size_rows, **METADATA)
    assert ids(loaded) == [4, 5, 6]


@pytest.mark.one_warehouse
def test_activate_version_before_and_after_the_records(loaded: Warehouse) -> None:
    loaded.load(ITEMS, activate(2), *items(2, 5), activate(2), **METADATA)
    assert ids(loaded) == [5]


@pytest.mark.one_warehouse
def test_a_version_that_is_empty(loaded: Warehouse) -> None:
    loaded.load(ITEMS, activate(2), state("done"), **METADATA)
    assert ids(loaded) == []


def test_the_old_rows_stay_until_the_run_has_ended(loaded: Warehouse) -> None:
    lines = InSteps([ITEMS, activate(2), *items(2, 5, 6), state(1), *items(2, 7), state(2)])
    loading = Loading(loaded, lines, batch_size_rows=1)
    lines.let_through(5)
    loading.wait_for(1)
    if isinstance(loaded, PostgreSQL):  # the others are files, which the load has locked
        assert ids(loaded) == [1, 2, 3, 4, 5, 6]
    lines.let_through(2)
    assert loading.end().states[-1] == 2
    assert ids(loaded) == [5, 6, 7]


@pytest.mark.one_warehouse
@pytest.mark.parametrize(
    "lines",
    [
        [activate(2), *items(2, 5)],
        [activate(2), *items(2, 5), state(1), *items(2, 6)],
        [activate(2)],
        [*items(2, 5), activate(2), *items(2, 6)],
    ],
)
def test_an_interrupted_run_keeps_the_old_rows(loaded: Warehouse, lines: list[Line]) -> None:
    loaded.load(ITEMS, *lines, batch_size_rows=1, **METADATA)
    assert ids(loaded)[:4] == [1, 2, 3, 4]

    loaded.load(ITEMS, activate(3), *items(3, 5, 7), state("done"), **METADATA)
    assert ids(loaded) == [5, 7]


@pytest.mark.one_warehouse
def test_a_failed_run_keeps_the_old_rows(loaded: Warehouse) -> None:
    loaded.load(ITEMS, *items(2, 5), activate(2), state(1), "garbage", fails=True, **METADATA)
    assert ids(loaded) == [1, 2, 3, 4, 5]


@pytest.mark.one_warehouse
def test_a_terminated_run_keeps_the_old_rows(loaded: Warehouse) -> None:
    lines = InSteps([ITEMS, activate(2), *items(2, 5), state(1), *items(2, 6), state(2)])
    loading = Loading(loaded, lines, batch_size_rows=1)
    lines.let_through(4)
    loading.wait_for(1)
    run = loading.end(by=signal.SIGTERM)
    lines.let_through(2)

    assert run.code == 128 + signal.SIGTERM
    assert ids(loaded) == [1, 2, 3, 4, 5]


@pytest.mark.one_warehouse
def test_other_streams_are_not_changed(loaded: Warehouse) -> None:
    others = schema("others", id="integer")
    loaded.load(others, *items(1, 1, 2, stream="others"), **METADATA)
    loaded.load(others, record("others", id=3), ITEMS, *items(2, 5), activate(2), **METADATA)

    assert ids(loaded) == [5]
    assert ids(loaded, "others") == [1, 2, 3]


@pytest.mark.one_warehouse
def test_an_overwrite_always_replaces_all_rows(loaded: Warehouse) -> None:
    for lines in ([*items(2, 5), activate(2)], [activate(2), *items(2, 5), state(1)]):
        loaded.load(ITEMS, *lines, load_method="overwrite", **METADATA)
        assert ids(loaded) == [5]


@pytest.mark.one_warehouse
def test_without_metadata_versions_cannot_be_distinguished(
    warehouse: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    warehouse.load(ITEMS, *items(1, 1))
    warehouse.load(ITEMS, *items(2, 2), activate(2), *items(2, 3), activate(2), state(1))

    assert ids(warehouse) == [1, 2, 3]
    (warning,) = warnings_in(caplog)
    assert "version" in warning


@pytest.mark.one_warehouse
def test_a_version_before_the_schema_is_ignored(
    warehouse: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    run = warehouse.load(activate(1, "others"), ITEMS, *items(1, 1), state(1))
    assert warnings_in(caplog) == [
        "line 1 activates a version of stream 'others' before its schema: it is ignored"
    ]
    assert (ids(warehouse), run.states) == ([1], [1])


@pytest.mark.one_warehouse
@pytest.mark.parametrize("versions", [[None, None], [1, 1], [None, 5]])
def test_a_version_that_some_records_do_not_carry_removes_nothing(
    loaded: Warehouse, versions: list[int | None]
) -> None:
    records = [
        {**record("items", id=number, note="y"), **({"version": version} if version else {})}
        for number, version in enumerate(versions, start=4)
    ]
    run = loaded.load(ITEMS, *records, activate(5), state(1), fails=True, **METADATA)
    assert "the tap activated version 5, but records of this run carry" in str(run.error)
    assert ids(loaded) == [1, 2, 3, 4, 5]


@pytest.mark.one_warehouse
def test_a_version_with_a_rejected_record_removes_nothing(
    loaded: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    odd = {**record("items", id="?"), "version": 2}
    loaded.load(ITEMS, *items(2, 5), odd, activate(2), state(1), fails=True, **METADATA)
    assert ids(loaded) == [1, 2, 3, 4, 5]
    assert any("the rows of older versions stay" in warning for warning in warnings_in(caplog))


@pytest.mark.one_warehouse
def test_versions_that_follow_each_other_in_a_run(loaded: Warehouse) -> None:
    loaded.load(
        ITEMS, *items(2, 5), activate(2), *items(3, 6, 7), activate(3), state(1), **METADATA
    )
    assert ids(loaded) == [6, 7]


@pytest.mark.one_warehouse
def test_a_tap_of_the_sdk(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, present in enumerate([[1, 2, 3], [3, 4], [], [5]]):
        with monkeypatch.context() as patch:  # a version is the second in which the tap began
            patch.setattr("time.time", lambda number=number: 1_700_000_000 + number)
            lines = emitted([{"id": id_} for id_ in present], emit_activate_version_messages=True)
        assert any('"ACTIVATE_VERSION"' in line for line in lines)
        warehouse.load(*lines, **METADATA)
        assert ids(warehouse) == present


def test_rows_of_older_versions_are_kept_in_the_history(loaded: Warehouse) -> None:
    run = loaded.load(
        ITEMS, *items(2, 4, 5), activate(2), state("done"), history=["items"], **METADATA
    )
    assert run.states == ["done"]
    assert ids(loaded) == [4, 5]
    assert loaded.rows(
        "SELECT id, _sdc_replaced_because FROM items__history "
        "WHERE _sdc_replaced_because = 'vanished' ORDER BY id"
    ) == [(1, "vanished"), (2, "vanished"), (3, "vanished")]


@pytest.mark.one_warehouse
@pytest.mark.parametrize("version", [2**63, -(2**63) - 1, 10**30])
@pytest.mark.parametrize("type_", ["RECORD", "ACTIVATE_VERSION"])
def test_a_version_of_more_than_64_bits(warehouse: Warehouse, version: int, type_: str) -> None:
    odd = {"type": type_, "stream": "items", "version": version, "record": {"id": 2}}
    lines = [ITEMS, record("items", id=1), state(1), odd, state(2)]
    run = warehouse.load(*lines, batch_size_rows=1, fails=True)
    assert str(run.error).startswith("line 4")
    assert "its version has more than 64 bits" in str(run.error)
    assert run.states == [1]
    assert warehouse.rows("SELECT id FROM items") == [(1,)]
