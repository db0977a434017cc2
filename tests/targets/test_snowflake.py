"""What is Snowflake's own, on a stand-in for it: names, types, how rows get in, replacement."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from snowflake.connector.errors import ProgrammingError

from targets.warehouse.adapters import WarehouseError, connect
from targets.warehouse.adapters.snowflake import SnowflakeAdapter
from targets.warehouse.adapters.snowflake_values import as_texts
from targets.warehouse.columns import Kind
from targets.warehouse.loader import LoadError, RecordsRejectedError
from targets.warehouse.transaction import transact
from tests.targets.stand_in import Snowflake
from tests.targets.warehouses import Line, raw_record, record, schema, state

ORDERS = schema("orders", id="integer", note="string")
Fault = Callable[[str], None]


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the loader has the warehouse do."""
    seen: list[str] = []
    watch(monkeypatch, seen.append)
    return seen


def watch(monkeypatch: pytest.MonkeyPatch, before: Fault) -> None:
    """Have something done before each statement, such as raising an error in its place."""
    execute = SnowflakeAdapter.execute

    def watched(self: SnowflakeAdapter, sql: str, *file: Any) -> list[tuple[Any, ...]]:
        before(sql)
        return execute(self, sql, *file)

    monkeypatch.setattr(SnowflakeAdapter, "execute", watched)


def columns(warehouse: Snowflake, table: str) -> dict[str, str]:
    """The columns as Snowflake has them."""
    return {name: type_ for name, type_, *_ in warehouse.rows(f'DESCRIBE TABLE "{table}"')}


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


class TestNames:
    def test_plain_names_need_no_quotes(self, snowflake: Snowflake) -> None:
        lines = schema("order_lines", ["order"], order="string", GROUP_ID="integer", orderDate={})
        for _ in range(2):
            snowflake.load(lines, record("order_lines", order="a", GROUP_ID=7, orderDate=1))

        assert list(columns(snowflake, "order_lines")) == ["ORDER", "GROUP_ID", "orderDate"]
        with snowflake.connected() as connection:
            rows = connection.execute('SELECT "ORDER", Group_Id, "orderDate" FROM Order_Lines')
            assert rows.fetchall() == [("a", 7, "1")]

    def test_names_in_capitals_beside_the_same_in_small_letters(self, snowflake: Snowflake) -> None:
        both = schema("items", ["id"], ID="string", id="string")
        for number in range(2):
            snowflake.load(both, record("items", ID=f"capitals {number}", id="small"))

        capitals, small = columns(snowflake, "items")
        assert capitals.startswith("ID_")
        assert small == "ID"
        assert snowflake.rows("SELECT * FROM items") == [("capitals 1", "small")]

    def test_streams_in_capitals_beside_the_same_in_small_letters(
        self, snowflake: Snowflake
    ) -> None:
        for method in ("upsert", "overwrite"):
            lines = [line for name in ("items", "ITEMS") for line in stream_of_itself(name)]
            snowflake.load(*lines, load_method=method)

            other = snowflake.tables() - {"items"}
            assert len(other) == 1
            assert snowflake.rows("SELECT id FROM items") == [("items",)]
            assert snowflake.rows(f'SELECT id FROM "{other.pop()}"') == [("ITEMS",)]

    @pytest.mark.parametrize(
        ("session", "message"),
        [
            ((None, None), "the database that the setting url names is not there"),
            (("SHOP", None), "the session has no schema: set default_target_schema"),
        ],
    )
    def test_a_session_without_a_place_for_tables(
        self,
        snowflake: Snowflake,
        monkeypatch: pytest.MonkeyPatch,
        session: tuple[str | None, None],
        message: str,
    ) -> None:
        monkeypatch.setattr(SnowflakeAdapter, "execute", lambda *_: [session])
        with pytest.raises(WarehouseError, match=message):
            connect(snowflake.url, None)


def stream_of_itself(name: str) -> list[Line]:
    return [schema(name, id="string"), record(name, id=name)]


class TestJson:
    def test_values_can_be_queried(self, snowflake: Snowflake) -> None:
        sent = '{"price": 199.90, "tags": ["a", "b"], "size": {"width": 12345678901234567890}}'
        items = schema("items", id="integer", extra="object")
        snowflake.load(items, raw_record("items", f'{{"id": 1, "extra": {sent}}}'))

        [row] = snowflake.rows(
            "SELECT extra:price::NUMBER(10,2), extra:tags[1]::VARCHAR, "
            "extra:size.width::NUMBER(20,0) FROM items"
        )
        assert row == (Decimal("199.90"), "b", 12345678901234567890)

    @pytest.mark.parametrize(
        "text",
        [
            "[0.1234567890123456789012345678901234567]",
            '{"a": -12345678901234567890123456789012345678}',
            "1e-7",
            "[1.5E+3, 1.7976931348623157e308]",
            '"0.123456789012345678901234567890123456789"',
            '{"id": "12345678e901234567890123456789012345678901234567890"}',
        ],
    )
    def test_what_a_variant_keeps_stays_json(self, text: str) -> None:
        assert as_texts(pa.chunked_array([[text]]), Kind.JSON).to_pylist() == [text]

    @pytest.mark.parametrize(
        "text",
        [
            "0.123456789012345678901234567890123456789",
            '{"a": [-123456789012345678901234567890123456789]}',
            f"0.{'0' * 40}1",
            "[1.23456789012345678e5]",
            "[1e400]",
            "[" * 2000 + "1e400" + "]" * 2000,
        ],
    )
    def test_what_it_would_round_becomes_a_text_of_it(self, text: str) -> None:
        texts = pa.chunked_array([["{}", text, None]])
        assert as_texts(texts, Kind.JSON).to_pylist() == ["{}", json.dumps(text), None]

    def test_what_it_cannot_parse_becomes_a_text(
        self, snowflake: Snowflake, statements: list[str]
    ) -> None:
        items = schema("items", id="integer", extra="object")
        snowflake.load(items, raw_record("items", '{"id": 1, "extra": {"a": [1e400]}}'))

        [((kept),)] = snowflake.rows("SELECT extra::VARCHAR FROM items")
        assert json.loads(json.loads(kept)) == {"a": [float("inf")]}
        merge = next(sql for sql in statements if sql.startswith("MERGE"))
        # The stand-in takes repeated keys, Snowflake does not.
        assert "CAST(COALESCE(TRY_PARSE_JSON(C1), TO_VARIANT(C1)) AS VARIANT)" in merge

    def test_only_another_value_is_a_change(self, snowflake: Snowflake) -> None:
        items = schema("items", id="integer", extra="object")
        for extra in ('{"a": 1, "b": [ ]}', '{"a":1,"b":[]}', '{"a":2,"b":[]}'):
            line = raw_record("items", f'{{"id": 1, "extra": {extra}}}')
            snowflake.load(items, line, add_record_metadata=True)

        counts = "SELECT inserted, updated, unchanged FROM _runs ORDER BY started_at"
        assert snowflake.rows(counts) == [(1, 0, 0), (0, 0, 1), (0, 1, 0)]


class TestTypes:
    def test_integers_that_outgrow_64_bits(
        self, snowflake: Snowflake, statements: list[str]
    ) -> None:
        items = schema("items", id="integer", amount="integer")
        snowflake.load(items, record("items", id=1, amount=2**63 - 1))
        assert columns(snowflake, "items")["AMOUNT"] == "NUMBER(19,0)"

        # The stand-in has no integers of 38 digits, so they are not loaded here.
        snowflake.load(
            schema("items", id="integer", amount="number"), record("items", id=2, amount=7)
        )
        assert [sql for sql in statements if sql.startswith("ALTER")] == [
            'ALTER TABLE "PUBLIC"."ITEMS" ALTER COLUMN "AMOUNT" SET DATA TYPE NUMBER(38,0)'
        ]

    def test_tables_that_others_made(self, snowflake: Snowflake) -> None:
        snowflake.rows(
            "CREATE TABLE items (id NUMBER(5,0), price NUMBER(6,2), name VARCHAR(3), ratio FLOAT, "
            "sold TIMESTAMP_NTZ, day DATE, more ARRAY)"
        )
        snowflake.rows("INSERT INTO items (id, price, name) VALUES (1, 1.25, 'abc')")
        items = schema(
            "items",
            id="integer",
            price="number",
            name="string",
            ratio="number",
            sold={"type": "string", "format": "date-time"},
            more="array",
        )
        sold = record("items", id=2, price=3, name="longer", ratio=0.5, more=[1])
        sold["record"]["sold"] = "2024-02-29T12:00:00+02:00"
        for _ in range(2):
            snowflake.load(items, sold)

        rows = snowflake.rows(
            "SELECT id, price, name, ratio, sold::VARCHAR, more::VARCHAR FROM items ORDER BY id"
        )
        assert rows == [
            (1, Decimal("1.25"), "abc", None, None, None),
            (2, Decimal("3.00"), "longer", 0.5, "2024-02-29 10:00:00", "[1]"),
        ]
        assert columns(snowflake, "items") == {
            "ID": "NUMBER(19,0)",
            "PRICE": "NUMBER(38,2)",
            "NAME": "VARCHAR(16777216)",
            "RATIO": "FLOAT",
            "SOLD": "TIMESTAMP_NTZ(9)",
            "DAY": "DATE",
            "MORE": "VARIANT",
        }

    @pytest.mark.parametrize("held", ["TIME(3)", "TIMESTAMP_TZ(0)", "TIMESTAMP_NTZ(3)"])
    def test_moments_with_too_few_digits_are_narrow(
        self, snowflake: Snowflake, held: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # The stand-in shows all with nine digits.
        adapter = connect(snowflake.url, None)
        monkeypatch.setattr(adapter, "execute", lambda _: [("AT", held)])
        column = adapter.columns("items")["at"]
        assert adapter.is_narrower(column, column)

    def test_a_text_makes_room_for_itself(
        self, snowflake: Snowflake, monkeypatch: pytest.MonkeyPatch, statements: list[str]
    ) -> None:
        for name, value in [("SHORT_TEXT", 10), ("LONG_TEXT", 100), ("SIZES", {"VARCHAR": 10})]:
            monkeypatch.setattr(f"targets.warehouse.adapters.snowflake._{name}", value)
        monkeypatch.setattr(SnowflakeAdapter, "text_limit", 24)
        snowflake.rows("CREATE TABLE items (id NUMBER(19,0), name VARCHAR(10))")
        items = schema("items", id="integer", name="string")
        run = snowflake.load(
            items,
            record("items", id=1, name="short"),
            record("items", id=2, name="å" * 50),
            record("items", id=3, name="å" * 51),
            record("items", id=4, name="short"),
            fails=True,
        )

        assert isinstance(run.error, RecordsRejectedError)
        rows = snowflake.rows("SELECT id, LENGTH(name) FROM items ORDER BY id")
        assert rows == [(1, 5), (2, 50), (4, 5)]
        alter = 'ALTER TABLE "PUBLIC"."ITEMS" ALTER COLUMN "NAME" SET DATA TYPE VARCHAR(100)'
        assert alter in statements
        [(cut, reason)] = snowflake.rows("SELECT record, reason FROM _rejected")
        assert cut == '{"id": 3, "name": "\\u00e'
        assert reason == "name: 102 bytes are more than the 100 of a text"


class TestAltering:
    """A change of type takes five statements, and any of them may be the last."""

    STEPS = ("ADD COLUMN", "UPDATE", "RENAME COLUMN", "RENAME COLUMN", "DROP COLUMN")

    @pytest.mark.parametrize("done", range(len(STEPS) + 1))
    def test_nothing_is_lost_when_it_breaks_off(
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

        assert columns(snowflake, "items") == {"ID": "NUMBER(19,0)", "SIZE": "VARCHAR(16777216)"}
        assert snowflake.rows("SELECT id, size FROM items ORDER BY id") == [(1, "7"), (2, "XL")]

    def test_another_load_that_takes_it_for_broken_off(
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
        assert str(run.error) == "of 1 rows only 0 came from the stage"
        assert run.states == []

    def test_what_only_the_database_refuses_is_found(self, snowflake: Snowflake) -> None:
        snowflake.rows("CREATE TABLE orders (id NUMBER(19,0), ratio FLOAT)")
        orders = schema("orders", id="integer", ratio="string")
        ratios = ["a" if number % 10 == 3 else str(number / 2) for number in range(30)]
        records = [record("orders", id=number, ratio=each) for number, each in enumerate(ratios)]
        run = snowflake.load(orders, *records, state("done"), fails=True)

        assert run.states == ["done"]
        assert snowflake.rows("SELECT count(*), max(ratio) FROM orders") == [(27, 14.5)]
        kept = snowflake.rows("SELECT record, reason FROM _rejected")
        assert sorted(json.loads(text)["id"] for text, _ in kept) == [3, 13, 23]
        assert all("Could not convert string 'a'" in reason for _, reason in kept)

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
        adapter = SnowflakeAdapter(snowflake.url, "shop")
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
    def test_all_tables_are_replaced_or_none(
        self, snowflake: Snowflake, monkeypatch: pytest.MonkeyPatch
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
            if sql.startswith('INSERT OVERWRITE INTO "PUBLIC"."SECOND"'):
                raise ProgrammingError("no warehouse", errno=606, sqlstate="57P03")

        with monkeypatch.context() as patch:
            watch(patch, fail)
            run = snowflake.load(*new, state(1), load_method="overwrite", fails=True)
            assert run.states == []
        for name in names:
            assert snowflake.rows(f"SELECT id FROM {name}") == [(1,)]

        assert snowflake.load(*new, state(1), load_method="overwrite").states == [1]
        for name in names:
            assert snowflake.rows(f"SELECT id FROM {name}") == [(2,)]
        assert snowflake.tables() == set(names)
