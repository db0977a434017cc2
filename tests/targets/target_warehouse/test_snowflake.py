"""Loads into Snowflake, and their state after an interruption."""

from __future__ import annotations

import json
from typing import Any

import pytest
from snowflake.connector.errors import ProgrammingError
from target_warehouse.errors import LoadError
from target_warehouse.warehouses.registry import connect
from target_warehouse.warehouses.snowflake.adapter import SnowflakeAdapter
from target_warehouse.warehouses.transaction import transact

from tests.targets.target_warehouse.stand_in import Snowflake, watch
from tests.targets.target_warehouse.warehouses import record, schema, state

ORDERS = schema("orders", id="integer", note="string")


def test_the_executable_upserts(snowflake: Snowflake) -> None:
    first = [ORDERS, record("orders", id=1, note="a"), record("orders", id=2, note="b"), state(1)]
    again = [ORDERS, record("orders", id=2, note="B"), record("orders", id=3), state(2)]
    runs = [snowflake.execute(*lines, default_target_schema="tap_shop") for lines in (first, again)]

    assert [(run.code, run.states) for run in runs] == [(0, [1]), (0, [2])], runs[0].stderr
    assert "stream 'orders': 2 records, 1 inserted, 1 updated" in runs[1].stderr
    assert snowflake.rows("SELECT id, note FROM tap_shop.orders ORDER BY id") == [
        (1, "a"),
        (2, "B"),
        (3, None),
    ]


class TestAltering:
    """A change of type takes five statements, each of which may be the last one."""

    STEPS = ("ADD COLUMN", "UPDATE", "RENAME COLUMN", "RENAME COLUMN", "DROP COLUMN")

    @pytest.mark.parametrize(
        "done", [0, 2, 4, *(pytest.param(done, marks=pytest.mark.long) for done in (1, 3, 5))]
    )
    def test_an_interrupted_load_loses_nothing(
        self, snowflake: Snowflake, monkeypatch: pytest.MonkeyPatch, done: int
    ) -> None:
        text = schema("items", id="integer", size="string")
        snowflake.load(schema("items", id="integer", size="integer"), record("items", id=1, size=7))
        steps = list(self.STEPS[:done])

        def break_off(sql: str) -> None:
            if "_SDC_" in sql:
                if not steps:
                    raise ProgrammingError("the connection is gone")
                assert steps.pop(0) in sql

        with monkeypatch.context() as patch:
            watch(patch, break_off)
            snowflake.load(text, record("items", id=2, size="XL"), fails=done < len(self.STEPS))
        snowflake.load(text, record("items", id=2, size="XL"))

        assert snowflake.own_columns("items") == {"ID": "NUMBER(19,0)", "SIZE": "VARCHAR(16777216)"}
        assert snowflake.rows("SELECT id, size FROM items ORDER BY id") == [(1, "7"), (2, "XL")]

    def test_another_load_that_resumes_an_unfinished_change_of_type(
        self, snowflake: Snowflake, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        text = schema("items", id="integer", size="string")
        snowflake.load(schema("items", id="integer", size="integer"), record("items", id=1, size=7))
        other = connect(snowflake.url, None)

        def come_between(sql: str) -> None:
            if "DESCRIBE" not in sql and 'TO "_SDC_OLD__SIZE"' in sql:
                monkeypatch.undo()
                other.columns("items")  # drops the successor

        watch(monkeypatch, come_between)
        run = snowflake.load(text, record("items", id=2, size="XL"), fails=True)
        assert isinstance(run.error, LoadError)
        snowflake.load(text, record("items", id=2, size="XL"))

        other.close()
        assert snowflake.rows("SELECT id, size FROM items ORDER BY id") == [(1, "7"), (2, "XL")]


class TestLoading:
    def test_a_batch_is_one_merge_and_leaves_no_file(
        self, snowflake: Snowflake, statements: list[str]
    ) -> None:
        snowflake.load(ORDERS, *(record("orders", id=number) for number in range(3)), state(1))

        verbs = [sql.split()[0] for sql in statements]
        staged = verbs.index("PUT")
        assert verbs[staged - 1 :] == ["CREATE", "PUT", "COPY", "MERGE"]
        created, put, copied, _ = statements[staged - 1 :]
        assert "TEMPORARY TABLE" in created
        assert "PURGE = TRUE" in copied
        stage = put.split("@")[1].split()[0]
        assert f"CREATE TEMPORARY STAGE IF NOT EXISTS {stage}" in statements
        assert snowflake.rows(f"LIST @{stage}") == []

    def test_rows_that_do_not_arrive(
        self, snowflake: Snowflake, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        execute = SnowflakeAdapter.execute
        lost = [("Copy executed with 0 files processed.",)]
        monkeypatch.setattr(
            SnowflakeAdapter,
            "execute",
            lambda self, sql, *file: lost if sql[:4] == "COPY" else execute(self, sql, *file),
        )
        run = snowflake.load(ORDERS, record("orders", id=1), state(1), fails=True)
        assert str(run.error).endswith("of 1 rows only 0 came from the stage")
        assert run.states == []

    @pytest.mark.parametrize("load_method", ["upsert", "append-only"])
    def test_records_that_only_the_database_refuses_are_rejected(
        self, snowflake: Snowflake, load_method: str
    ) -> None:
        snowflake.rows("CREATE TABLE orders (id NUMBER(19,0), note VARCHAR NOT NULL)")
        notes = {number: None if number % 10 == 3 else "x" for number in range(30)}
        records = [record("orders", id=number, note=note) for number, note in notes.items()]
        run = snowflake.load(ORDERS, *records, state(1), load_method=load_method, fails=True)

        assert str(run.error).startswith("3 records were rejected (orders 3)")
        assert run.states == [1]
        assert snowflake.rows("SELECT count(*), count(DISTINCT id), max(id) FROM orders") == [
            (27, 27, 29)
        ]
        kept = snowflake.rows("SELECT record, reason FROM _rejected")
        assert sorted(json.loads(text)["id"] for text, _ in kept) == [3, 13, 23]
        assert all("NULL result in a non-nullable column" in reason for _, reason in kept)

    def test_a_record_that_does_not_fit(self, snowflake: Snowflake) -> None:
        bad = record("orders", id="x")
        run = snowflake.load(ORDERS, record("orders", id=1), bad, state("done"), fails=True)

        assert run.states == ["done"]
        assert snowflake.rows("SELECT id FROM orders") == [(1,)]
        assert snowflake.rows("SELECT stream, reason FROM _rejected") == [
            ("orders", 'id: "x" is not a number')
        ]

    def test_a_session_that_has_ended_is_opened_again(
        self, snowflake: Snowflake, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        adapter = connect(snowflake.url, "shop")
        assert isinstance(adapter, SnowflakeAdapter)
        transact(adapter, adapter.use_schema)
        cursors = []

        def sign_out() -> Any:
            monkeypatch.undo()
            cursors.append(1)
            raise ProgrammingError("Authentication token has expired.", errno=390114)

        monkeypatch.setattr(adapter._connection, "cursor", sign_out)  # noqa: SLF001 - the driver's
        assert transact(adapter, adapter.tables) == []
        assert cursors == [1]
        adapter.close()


class TestOverwriting:
    @pytest.mark.parametrize("failing", ["INSERT OVERWRITE INTO", "ALTER TABLE"])
    def test_all_tables_are_replaced_or_none(
        self, snowflake: Snowflake, monkeypatch: pytest.MonkeyPatch, failing: str
    ) -> None:
        names = ("first", "second")
        old = [line for name in names for line in [schema(name, id="integer"), record(name, id=1)]]
        new = [
            line
            for name in names
            for line in [schema(name, id="integer", more="string"), record(name, id=2)]
        ]
        snowflake.load(*old)

        def fail(sql: str) -> None:
            if sql.startswith(f'{failing} "PUBLIC"."SECOND"'):
                raise ProgrammingError("no warehouse", errno=606, sqlstate="57P03")

        with monkeypatch.context() as patch:
            watch(patch, fail)
            settings: dict[str, Any] = {"load_method": "overwrite", "add_record_metadata": True}
            assert snowflake.load(*new, state(1), fails=True, **settings).states == []
        for name in names:
            assert snowflake.rows(f"SELECT id FROM {name}") == [(1,)]

        assert snowflake.load(*new, state(1), load_method="overwrite").states == [1]
        for name in names:
            assert snowflake.rows(f"SELECT id FROM {name}") == [(2,)]
        assert snowflake.tables() == {*names, "_runs"}
