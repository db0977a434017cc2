"""Versions that a merge replaces are kept, in the same transaction, and shown by a view."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from target_warehouse.arrow import ARROW_TYPES
from target_warehouse.columns import Column, ColumnType
from target_warehouse.warehouses.base import Adapter, Merged
from target_warehouse.warehouses.registry import connect
from target_warehouse.warehouses.transaction import transact

from tests.targets.target_warehouse.warehouses import (
    PostgreSQL,
    SQLite,
    Warehouse,
    record,
    schema,
    state,
)

HISTORY, VIEW = "orders__history", "orders__versions"
COLUMNS = {
    "id": ColumnType.INTEGER,
    "line": ColumnType.TEXT,
    "note": ColumnType.TEXT,
    "more": ColumnType.JSON,
    "_sdc_batched_at": ColumnType.TIMESTAMP,
    "_sdc_deleted_at": ColumnType.TIMESTAMP,
}
ADDED = {
    "_sdc_valid_from": ColumnType.TIMESTAMP,
    "_sdc_valid_to": ColumnType.TIMESTAMP,
    "_sdc_replaced_because": ColumnType.TEXT,
}
KEYS = ["id", "line"]
START = datetime(2026, 11, 1, tzinfo=UTC)


@contextlib.contextmanager
def connected(warehouse: Warehouse) -> Iterator[Adapter]:
    with contextlib.closing(connect(warehouse.url, None)) as adapter:
        yield adapter


def merge(
    adapter: Adapter,
    day: int,
    *rows: Mapping[str, Any],
    kinds: Mapping[str, ColumnType] = COLUMNS,
    then: Exception | None = None,
) -> Merged:
    """Merge rows that were loaded on a day of November, with history."""
    batched = START + timedelta(days=day - 1)
    full = [{"line": "a", "more": "{}", "_sdc_batched_at": batched, **row} for row in rows]
    table = pa.table(
        {
            name: pa.array([row.get(name) for row in full], ARROW_TYPES[kind])
            for name, kind in kinds.items()
        }
    )

    def work() -> Merged:
        wanted = {name: Column(kind) for name, kind in kinds.items()}
        held = adapter.ensure("orders", wanted, KEYS)
        more = {name: Column(kind) for name, kind in ADDED.items()}
        adapter.ensure(HISTORY, held | more, ())
        adapter.ensure_versions(VIEW, "orders", HISTORY)
        columns = {name: held[name] for name in kinds}
        adapter.stage("orders", table, columns)
        merged = adapter.merge("orders", columns, KEYS, HISTORY)
        if then:
            raise then
        return merged

    return transact(adapter, work)


def as_known(adapter: Adapter, day: int) -> list[tuple[Any, ...]]:
    """The rows as they were known at noon of a day."""
    moment = adapter.value(START + timedelta(days=day - 0.5))
    return [
        (int(id_), line, note)
        for id_, line, note in adapter.execute(
            f"SELECT id, line, note FROM {adapter.path(VIEW)} WHERE _sdc_valid_from <= {moment} "
            f"AND (_sdc_valid_to > {moment} OR _sdc_valid_to IS NULL) ORDER BY id, line"
        )
    ]


def kept(adapter: Adapter) -> int:
    return adapter.count(HISTORY)


def test_versions_of_changed_rows_are_kept(warehouse: Warehouse) -> None:
    with connected(warehouse) as adapter:
        merge(adapter, 1, {"id": 1, "note": "a"}, {"id": 1, "line": "b", "note": "a"})
        second = merge(
            adapter,
            2,
            {"id": 1, "note": "b"},
            {"id": 1, "line": "b", "note": "a"},
            {"id": 2, "note": "new"},
        )
        third = merge(adapter, 3, {"id": 1, "note": None}, {"id": 2, "note": "new"})
        fourth = merge(adapter, 4, {"id": 1, "note": None, "more": '{"x": 1}'})

        assert [second, third, fourth] == [Merged(1, 1), Merged(0, 1), Merged(0, 1)]
        assert as_known(adapter, 1) == [(1, "a", "a"), (1, "b", "a")]
        assert as_known(adapter, 2) == [(1, "a", "b"), (1, "b", "a"), (2, "a", "new")]
        assert as_known(adapter, 3) == [(1, "a", None), (1, "b", "a"), (2, "a", "new")]
        assert as_known(adapter, 4) == as_known(adapter, 3)
        assert kept(adapter) == 3
        because = f"SELECT DISTINCT _sdc_replaced_because FROM {adapter.path(HISTORY)}"
        assert adapter.execute(because) == [("changed",)]


def test_unchanged_rows_have_no_history(warehouse: Warehouse) -> None:
    with connected(warehouse) as adapter:
        for day in (1, 2, 3):
            merged = merge(adapter, day, {"id": 1, "note": "a"}, {"id": 2})

        assert merged == Merged(0, 0)
        assert kept(adapter) == 0


def test_a_change_that_is_rolled_back_leaves_no_history(warehouse: Warehouse) -> None:
    with connected(warehouse) as adapter:
        merge(adapter, 1, {"id": 1, "note": "a"})
        with pytest.raises(RuntimeError):
            merge(adapter, 2, {"id": 1, "note": "b"}, then=RuntimeError())

        assert kept(adapter) == 0
        assert merge(adapter, 3, {"id": 1, "note": "c"}) == Merged(0, 1)
        assert as_known(adapter, 2) == [(1, "a", "a")]


def test_new_and_wider_columns_reach_history_and_view(warehouse: Warehouse) -> None:
    kinds = {**COLUMNS, "amount": ColumnType.INTEGER}
    wider = {**COLUMNS, "amount": ColumnType.TEXT, "other": ColumnType.DATE}
    with connected(warehouse) as adapter:
        merge(adapter, 1, {"id": 1, "note": "a"})
        merge(adapter, 2, {"id": 1, "note": "b", "amount": 7}, kinds=kinds)
        merge(adapter, 3, {"id": 1, "note": "c", "amount": "x"}, kinds=wider)
        merge(adapter, 4, {"id": 1, "note": "d"})

        rows = adapter.execute(
            f"SELECT note, amount FROM {adapter.path(VIEW)} ORDER BY _sdc_valid_from"
        )
        assert rows == [("a", None), ("b", "7"), ("c", "x"), ("d", "x")]
        assert {"other", "_sdc_valid_to"} < adapter.columns(VIEW).keys()


@pytest.mark.parametrize("seed", range(3))
def test_the_view_shows_each_day_as_it_was(warehouse: Warehouse, seed: int) -> None:
    pick = random.Random(seed)
    table: dict[int, str] = {}
    copies = []
    with connected(warehouse) as adapter:
        for day in range(1, 7):
            rows: Sequence[dict[str, Any]] = [
                {"id": id_, "note": pick.choice("abc")} for id_ in pick.sample(range(12), 6)
            ]
            merge(adapter, day, *rows)
            table |= {row["id"]: row["note"] for row in rows}
            copies.append([(id_, "a", table[id_]) for id_ in sorted(table)])

        assert [as_known(adapter, day) for day in range(1, 7)] == copies


def test_a_view_of_the_user_on_the_versions(warehouse: Warehouse) -> None:
    with connected(warehouse) as adapter:
        merge(adapter, 1, {"id": 1, "note": "a"})
        merge(adapter, 2, {"id": 1, "note": "b"})
        definition = adapter.columns(VIEW)
        merge(adapter, 3, {"id": 1, "note": "c"})
        assert adapter.columns(VIEW) == definition

        path = adapter.path("notes")
        adapter.execute(f"CREATE VIEW {path} AS SELECT note FROM {adapter.path(VIEW)}")
        adapter.commit()
        kinds = {**COLUMNS, "amount": ColumnType.INTEGER}
        merge(adapter, 4, {"id": 1, "note": "d", "amount": 7}, kinds=kinds)
        assert adapter.columns(VIEW).keys() == {*definition, "amount"}
        assert adapter.execute(f"SELECT COUNT(*) FROM {path}") == [(4,)]


@pytest.mark.parametrize(
    ("keys", "settings"),
    [
        ((), {}),
        (("id",), {"add_record_metadata": False}),
        (("id",), {"load_method": "append-only"}),
        (("id",), {"load_method": "overwrite"}),
    ],
)
@pytest.mark.parametrize("history", [["orders"], ["*"]])
def test_a_stream_that_the_setting_names_and_that_cannot_have_versions(
    sqlite: SQLite,
    caplog: pytest.LogCaptureFixture,
    history: list[str],
    keys: tuple[str, ...],
    settings: dict[str, Any],
) -> None:
    lines = [schema("orders", keys, id="integer"), record("orders", id=1), state(1)]
    sqlite.load(*lines, history=history, **{"add_record_metadata": True, **settings})

    assert HISTORY not in sqlite.tables()
    assert ("no history is kept" in caplog.text) is (history == ["orders"])


@pytest.mark.parametrize("text", ["It's 5 % of \\' all", "ends in a backslash\\", "ä\n;"])
def test_comments_of_columns(
    warehouse: Warehouse, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not isinstance(warehouse, PostgreSQL) and "duckdb" not in warehouse.url:
        pytest.skip("it has no comments")
    with connected(warehouse) as adapter:
        merge(adapter, 1, {"id": 1})
        statements: list[str] = []
        execute = adapter.execute

        def recorded(sql: str) -> list[tuple[Any, ...]]:
            statements.append(sql)
            return execute(sql)

        monkeypatch.setattr(adapter, "execute", recorded)
        for _ in range(2):
            adapter.comment("orders", {"note": text, "nothing": "x"})
        adapter.commit()

    assert len([each for each in statements if each.startswith("COMMENT")]) == 1
    sql = (
        "SELECT col_description('orders'::regclass, attnum) FROM pg_attribute "
        "WHERE attrelid = 'orders'::regclass AND attname = 'note'"
        if isinstance(warehouse, PostgreSQL)
        else "SELECT comment FROM duckdb_columns() WHERE column_name = 'note'"
    )
    assert warehouse.rows(sql)[0] == (text,)
