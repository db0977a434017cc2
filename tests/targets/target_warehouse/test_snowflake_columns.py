"""Tables in Snowflake: names, JSON and other types."""

from __future__ import annotations

import json
from decimal import Decimal

import pyarrow as pa
import pytest
from target_warehouse.columns import ColumnType
from target_warehouse.errors import RecordsRejectedError
from target_warehouse.warehouses.base import WarehouseError
from target_warehouse.warehouses.registry import connect
from target_warehouse.warehouses.snowflake import types
from target_warehouse.warehouses.snowflake.adapter import SnowflakeAdapter
from target_warehouse.warehouses.snowflake.staging import as_texts

from tests.targets.target_warehouse.stand_in import Snowflake
from tests.targets.target_warehouse.warehouses import Line, raw_record, record, schema, state


class TestNames:
    def test_plain_names_need_no_quotes(self, snowflake: Snowflake) -> None:
        lines = schema("order_lines", ["order"], order="string", GROUP_ID="integer", orderDate={})
        for _ in range(2):
            snowflake.load(lines, record("order_lines", order="a", GROUP_ID=7, orderDate=1))

        assert list(snowflake.own_columns("order_lines")) == ["ORDER", "GROUP_ID", "orderDate"]
        with snowflake.connected() as connection:
            rows = connection.execute('SELECT "ORDER", Group_Id, "orderDate" FROM Order_Lines')
            assert rows.fetchall() == [("a", 7, "1")]

    def test_names_that_differ_in_case_alone(self, snowflake: Snowflake) -> None:
        both = schema("items", ["id"], ID="string", id="string")
        for number in range(2):
            snowflake.load(both, record("items", ID=f"capitals {number}", id="small"))

        capitals, small = snowflake.own_columns("items")
        assert capitals.startswith("ID_")
        assert small == "ID"
        assert snowflake.rows("SELECT * FROM items") == [("capitals 1", "small")]

    def test_streams_that_differ_in_case_alone(self, snowflake: Snowflake) -> None:
        for method in ("upsert", "overwrite"):
            lines = [line for name in ("items", "ITEMS") for line in stream_of_itself(name)]
            snowflake.load(*lines, state(1), load_method=method)

            other = snowflake.tables() - {"items"}
            assert len(other) == 1
            assert snowflake.rows("SELECT id FROM items") == [("items",)]
            assert snowflake.rows(f'SELECT id FROM "{other.pop()}"') == [("ITEMS",)]

    @pytest.mark.parametrize(
        ("session", "message"),
        [
            ((None, None), "the database that the setting url names does not exist"),
            (("SHOP", None), "the session has no schema: set default_target_schema"),
        ],
    )
    def test_a_session_without_a_schema(
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
    def test_values_of_variant_columns_stay_json(self, text: str) -> None:
        assert as_texts(pa.chunked_array([[text]]), ColumnType.JSON).to_pylist() == [text]

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
    def test_json_that_a_variant_would_round_becomes_a_text(self, text: str) -> None:
        texts = pa.chunked_array([["{}", text, None]])
        assert as_texts(texts, ColumnType.JSON).to_pylist() == ["{}", json.dumps(text), None]

    def test_json_that_a_variant_cannot_parse_becomes_a_text(
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
        assert snowflake.own_columns("items")["AMOUNT"] == "NUMBER(19,0)"

        # The stand-in has no integers of 38 digits, so they are not loaded here.
        snowflake.load(
            schema("items", id="integer", amount="number"), record("items", id=2, amount=7)
        )
        assert [sql for sql in statements if sql.startswith("ALTER")] == [
            'ALTER TABLE "PUBLIC"."ITEMS" ALTER COLUMN "AMOUNT" SET DATA TYPE NUMBER(38,0)'
        ]

    def test_tables_of_other_programs(self, snowflake: Snowflake) -> None:
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
        assert snowflake.own_columns("items") == {
            "ID": "NUMBER(19,0)",
            "PRICE": "NUMBER(38,2)",
            "NAME": "VARCHAR(16777216)",
            "RATIO": "NUMBER(38,1)",
            "SOLD": "TIMESTAMP_NTZ(9)",
            "DAY": "DATE",
            "MORE": "VARIANT",
        }

    @pytest.mark.parametrize(
        ("type_", "kind", "is_whole"),
        [
            ("BOOLEAN", ColumnType.BOOLEAN, True),
            ("NUMBER(38,0)", ColumnType.NUMBER, True),
            ("NUMBER(38,10)", ColumnType.NUMBER, True),
            ("NUMBER(37,2)", ColumnType.NUMBER, False),
            ("NUMBER(20,0)", ColumnType.NUMBER, False),
            ("NUMBER(19,0)", ColumnType.INTEGER, True),
            ("NUMBER(18,0)", ColumnType.INTEGER, False),
            ("FLOAT", ColumnType.NUMBER, False),
            ("DECFLOAT", ColumnType.NUMBER, False),
            ("DATE", ColumnType.DATE, True),
            ("TIME(6)", ColumnType.TIME, True),
            ("TIME(9)", ColumnType.TIME, True),
            ("TIME(5)", ColumnType.TIME, False),
            ("TIMESTAMP_TZ(6)", ColumnType.TIMESTAMP, True),
            ("TIMESTAMP_LTZ(9)", ColumnType.TIMESTAMP, True),
            ("TIMESTAMP_NTZ(3)", ColumnType.TIMESTAMP, False),
            ("TIMESTAMP_LTZ(3)", ColumnType.TIMESTAMP, False),
            ("VARCHAR(16777216)", ColumnType.TEXT, True),
            ("VARCHAR(134217728)", ColumnType.TEXT, True),
            ("VARCHAR(255)", ColumnType.TEXT, False),
            ("BINARY(8388608)", ColumnType.TEXT, False),
            ("GEOGRAPHY", ColumnType.TEXT, False),
            ("VECTOR(FLOAT, 3)", ColumnType.TEXT, False),
            ("UUID", ColumnType.TEXT, False),
            ("VARIANT", ColumnType.JSON, True),
            ("ARRAY", ColumnType.JSON, False),
            ("OBJECT", ColumnType.JSON, False),
            ("ARRAY(NUMBER(38,0))", ColumnType.JSON, False),
            ("OBJECT(city VARCHAR(10), zip NUMBER(5,0))", ColumnType.JSON, False),
            ("MAP(VARCHAR(16777216), NUMBER(38,0))", ColumnType.TEXT, False),
            ("VARCHAR(16777216) COLLATE 'en-ci'", ColumnType.TEXT, False),
        ],
    )
    def test_a_type_that_may_not_hold_its_kind_is_narrow(
        self, type_: str, kind: ColumnType, is_whole: bool
    ) -> None:
        column = types.column_of(type_)
        assert (column.kind, column.is_narrow) == (kind, not is_whole)

    @pytest.mark.parametrize("held", ["TIME(3)", "TIMESTAMP_TZ(0)", "TIMESTAMP_NTZ(3)"])
    def test_moments_with_too_few_digits_are_narrow(
        self, snowflake: Snowflake, held: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # The stand-in shows all with nine digits.
        adapter = connect(snowflake.url, None)
        monkeypatch.setattr(adapter, "execute", lambda _: [("AT", held, "COLUMN", "Y", None)])
        column = adapter.columns("items")["at"]
        assert column.is_narrow

    def test_a_column_widens_for_a_longer_text(
        self, snowflake: Snowflake, monkeypatch: pytest.MonkeyPatch, statements: list[str]
    ) -> None:
        module = "target_warehouse.warehouses.snowflake"
        monkeypatch.setattr(f"{module}.adapter.SHORT_TEXT", 10)
        monkeypatch.setattr(f"{module}.adapter.LONG_TEXT", 100)
        monkeypatch.setattr(f"{module}.types.SIZES", {"VARCHAR": 10})
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
