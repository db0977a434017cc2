"""Columns of other programs: a type that is not known to hold a kind whole is widened."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from target_warehouse.warehouses.postgresql.types import column_of

from tests.targets.target_warehouse.warehouses import (
    DuckDB,
    Line,
    PostgreSQL,
    SQLite,
    Warehouse,
    raw_record,
    record,
    run_sql,
    schema,
)

INSTANT = {"type": ["string", "null"], "format": "date-time"}
TIME = {"type": ["string", "null"], "format": "time"}
DECIMAL = {"type": ["string", "null"], "format": "singer.decimal"}
ANY = {"type": ["array", "object", "null"]}
AT = '"2024-02-29T12:00:00.654321Z"'
MOMENT = "2024-02-29 12:00:00.654321+00"


def assert_widened(warehouse: Warehouse, cases: Sequence[tuple[Any, ...]]) -> None:
    """Load a value, as JSON text, into a column of each type, and compare the column's texts."""
    tables = {f"t_{number}": case for number, case in enumerate(cases)}
    made = [
        f"CREATE TABLE {table} (id bigint, v {type_}); INSERT INTO {table} VALUES (0, {old})"
        for table, (type_, _, _, old, _) in tables.items()
    ]
    run_sql(warehouse, *made)
    lines: list[Line] = []
    for table, (_, property_, text, _, _) in tables.items():
        lines.append(schema(table, v=property_, id="integer"))
        lines.append(raw_record(table, f'{{"id": 1, "v": {text}}}'))
    warehouse.load(*lines)
    with warehouse.connected() as connection:
        for table, (type_, _, _, _, expected) in tables.items():
            rows = connection.execute(f"SELECT v::text FROM {table} ORDER BY id").fetchall()
            assert (type_, [value for (value,) in rows]) == (type_, expected)


def test_narrow_types_of_postgresql_are_widened(postgresql: PostgreSQL) -> None:
    cases = [
        ("timestamp(0) with time zone", INSTANT, AT, "NULL", [None, MOMENT]),
        ("timestamp(3)", INSTANT, AT, "'2024-01-01 01:00'", ["2024-01-01 01:00:00+00", MOMENT]),
        ("time(0)", TIME, '"12:00:00.654321"', "'01:00'", ["01:00:00", "12:00:00.654321"]),
        (
            "time(2) with time zone",
            TIME,
            '"12:00:00.654321"',
            "'01:00+02'",
            ["01:00:00", "12:00:00.654321"],
        ),
        ("money", DECIMAL, '"1234.5678"', "1.5", ["1.50", "1234.5678"]),
        ("money", "string", '"x"', "1234.5", ["1234.5", "x"]),
        ("numeric(6,2)", "string", '"x"', "1.5", ["1.5", "x"]),
        ("numeric(6,2)", DECIMAL, '"1234567.5678"', "1.5", ["1.50", "1234567.5678"]),
        ("real", DECIMAL, '"16777217.25"', "0.1", ["0.1", "16777217.25"]),
        (
            "double precision",
            DECIMAL,
            '"12345678901234567.89"',
            "1234567890123456768",
            ["1234567890123456800", "12345678901234567.89"],
        ),
        ("oid", "integer", "-1", "7", ["7", "-1"]),
        ("smallint", "integer", "9000000000", "7", ["7", "9000000000"]),
        ("character(5)", "string", '"long text "', "'ab'", ["ab", "long text "]),
        ("varchar(3)", "string", '"abc   "', "'ab'", ["ab", "abc   "]),
        ('"char"', "string", '"abc"', "'a'", ["a", "abc"]),
        ("name", "string", json.dumps("x" * 80), "'a'", ["a", "x" * 80]),
        ("bit(3)", "string", '"1011"', "'101'", ["101", "1011"]),
        ("bytea", "string", r'"a\\101"', "'abc'", [r"\x616263", r"a\101"]),
        ("xid", "integer", "-5", "'7'", ["7", "-5"]),
        ("point", "string", '"(1,2) "', "'(1,2)'", ["(1,2)", "(1,2) "]),
        ("int4range", "string", '"[1,3]"', "'[1,3]'", ["[1,4)", "[1,3]"]),
        ("interval second(0)", "string", '"1.5 s"', "'1 s'", ["00:00:01", "1.5 s"]),
        ("interval", "string", '"0.1234567 s"', "'1 s'", ["00:00:01", "0.1234567 s"]),
        (
            "macaddr8",
            "string",
            '"08:00:2b:01:02:03"',
            "'08:00:2b:01:02:03:04:05'",
            ["08:00:2b:01:02:03:04:05", "08:00:2b:01:02:03"],
        ),
        ("inet", "string", '"2001:DB8::1"', "'10.0.0.1'", ["10.0.0.1", "2001:DB8::1"]),
        ("cidr", "string", '"10/8"', "'10.0.0.0/24'", ["10.0.0.0/24", "10/8"]),
        ("text[]", ANY, '["a,b",null]', "array['a']", ['["a"]', '["a,b",null]']),
        ("bigint[]", ANY, "[[1], [2]]", "array[1]", ["[1]", "[[1], [2]]"]),
    ]
    assert_widened(postgresql, cases)


def test_narrow_types_of_duckdb_are_widened(duckdb: DuckDB) -> None:
    cases = [
        ("FLOAT", DECIMAL, '"16777217.25"', "0.1::FLOAT", ["0.10", "16777217.25"]),
        ("DOUBLE", DECIMAL, '"12345678901234567.89"', "0.125", ["0.125", "12345678901234567.890"]),
        ("DOUBLE", DECIMAL, '"1.5"', "1e300", ["1e+300", "1.5"]),
        ("DOUBLE", DECIMAL, '"1.5"', "'nan'", ["nan", "1.5"]),
        ("DOUBLE", "string", '"x"', "5", ["5", "x"]),
        ("DECIMAL(4,2)", DECIMAL, '"123456.5"', "1.25", ["1.25", "123456.50"]),
        ("TIMESTAMP", INSTANT, AT, "'2024-01-01 01:00'", ["2024-01-01 01:00:00+00", MOMENT]),
        ("TIMESTAMP_S", INSTANT, AT, "NULL", [None, MOMENT]),
        ("TIMESTAMP_MS", INSTANT, AT, "NULL", [None, MOMENT]),
        (
            "TIMESTAMP_NS",
            INSTANT,
            '"9999-02-28T12:00:00Z"',
            "NULL",
            [None, "9999-02-28 12:00:00+00"],
        ),
        (
            "TIMESTAMP_NS",
            INSTANT,
            '"2024-02-29T12:00:00Z"',
            "'2024-01-01 01:00:00.123456789'",
            ["2024-01-01 01:00:00.123456789", "2024-02-29T12:00:00Z"],
        ),
        ("UBIGINT", "integer", "-1", "18446744073709551615", ["18446744073709551615", "-1"]),
        ("TINYINT", "integer", "300", "1", ["1", "300"]),
        ("UTINYINT", "integer", "-1", "255", ["255", "-1"]),
        ("USMALLINT", "integer", "-1", "65535", ["65535", "-1"]),
        ("UINTEGER", "integer", "-1", "4294967295", ["4294967295", "-1"]),
        ("UHUGEINT", "integer", "-1", "1", ["1", "-1"]),
        ("BLOB", "string", r'"a\\x41"', "'abc'", ["abc", r"a\x41"]),
        ("BIT", "string", '"0101 "', "'0101'", ["0101", "0101 "]),
        ("INTERVAL", "string", '"1 day "', "INTERVAL 1 DAY", ["1 day", "1 day "]),
        ("VARCHAR[]", ANY, '["a,b"]', "['a']", ['["a"]', '["a,b"]']),
        ("STRUCT(a INTEGER)", ANY, '{"b":1}', "{'a': 1}", ['{"a":1}', '{"b":1}']),
        ("MAP(VARCHAR, INTEGER)", ANY, '{"b":"x"}', "map{'a': 1}", ['{"a":1}', '{"b":"x"}']),
    ]
    assert_widened(duckdb, cases)


def test_versions_of_a_table_with_types_that_stay(postgresql: PostgreSQL) -> None:
    run_sql(
        postgresql,
        "CREATE TYPE mood AS ENUM ('sad', 'glad')",
        "CREATE TABLE orders (id uuid, mood mood, more jsonb, note varchar, at timetz)",
    )
    orders = schema("orders", id="string", mood="string", more=ANY, note="string", at=TIME)
    id_ = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
    for mood in ("sad", "glad", "glad"):
        row = record("orders", id=id_, mood=mood, more={"a": mood}, note=mood, at="12:00:00")
        postgresql.load(orders, row, history=["*"], add_record_metadata=True)

    assert postgresql.rows(
        "SELECT id, mood, more ->> 'a', note, at::text, _sdc_valid_to IS NULL "
        "FROM orders__versions ORDER BY 6"
    ) == [(id_, mood, mood, mood, "12:00:00", mood == "glad") for mood in ("sad", "glad")]


def test_types_that_refuse_other_texts_stay(postgresql: PostgreSQL) -> None:
    texts = {
        "uuid": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        "mood": "sad",
        "citext_like": "1 day",
    }
    run_sql(
        postgresql,
        "CREATE TYPE mood AS ENUM ('sad', 'glad')",
        "CREATE DOMAIN citext_like AS text CHECK (value <> '')",
        *(f"CREATE TABLE of_{type_} (id bigint PRIMARY KEY, v {type_})" for type_ in texts),
    )
    lines: list[Line] = []
    for type_, text in texts.items():
        other = "" if type_ == "citext_like" else "something else"
        lines.append(schema(f"of_{type_}", id="integer", v="string"))
        lines += [record(f"of_{type_}", id=id_, v=v) for id_, v in enumerate([text, other])]

    run = postgresql.load(*lines, fails=True)

    assert "3 records were rejected" in str(run.error)
    for type_, text in texts.items():
        assert postgresql.rows(f"SELECT id, v::text FROM of_{type_}") == [(0, text)]
        assert postgresql.rows(
            f"SELECT '{type_}' = format_type(atttypid, -1) FROM pg_attribute "
            f"WHERE attrelid = 'of_{type_}'::regclass AND attname = 'v'"
        ) == [(True,)]


FAMILY = ("straße", "STRASSE", "Strasse", "strasse", "strasse ", "strassé")


def assert_apart(warehouse: Warehouse, collation: str, key: str) -> None:
    """Load and update rows whose texts a collation takes for equal."""
    run_sql(
        warehouse,
        f"CREATE TABLE t (id VARCHAR(20) COLLATE {collation} {key}, "
        f"note VARCHAR DEFAULT ' COLLATE x ' COLLATE {collation})",
        "INSERT INTO t VALUES ('other', 'x')",
    )
    for note in ("a", "A", "A "):
        warehouse.load(
            schema("t", id="string", note="string"),
            *(record("t", id=each, note=note) for each in FAMILY),
        )
        rows = warehouse.rows("SELECT id, note FROM t WHERE id <> 'other'")
        assert sorted(rows) == sorted((each, note) for each in FAMILY)


@pytest.mark.parametrize("key", ["", "PRIMARY KEY"])
@pytest.mark.parametrize("collation", ["NOCASE", "NOACCENT", '"nfc"'])
def test_collations_of_duckdb_keep_texts_apart(duckdb: DuckDB, collation: str, key: str) -> None:
    assert_apart(duckdb, collation, key)


@pytest.mark.parametrize("key", ["", "PRIMARY KEY"])
@pytest.mark.parametrize("collation", ["NOCASE", "'rtrim'"])
def test_collations_of_sqlite_keep_texts_apart(sqlite: SQLite, collation: str, key: str) -> None:
    assert_apart(sqlite, collation, key)


def test_a_default_collation_of_duckdb_changes_no_rows(duckdb: DuckDB) -> None:
    duckdb.url += "?default_collation=NOCASE"
    for note in ("a", "A"):
        duckdb.load(
            schema("t", id="string", note="string"),
            *(record("t", id=each, note=note) for each in FAMILY),
        )
        assert sorted(duckdb.rows("SELECT * FROM t")) == sorted((each, note) for each in FAMILY)


def test_a_collation_of_postgresql_that_treats_texts_as_equal(postgresql: PostgreSQL) -> None:
    run_sql(
        postgresql,
        "CREATE COLLATION alike (locale = 'C')",
        # the server of the tests has no ICU, which alone can create such a collation
        "UPDATE pg_collation SET collisdeterministic = false WHERE collname = 'alike'",
        "CREATE DOMAIN name_of_d AS text COLLATE alike",
        'CREATE TABLE t (id bigint, v varchar COLLATE alike, d name_of_d, c text COLLATE "C")',
    )

    postgresql.load(schema("t", id="integer", v="string", d="string", c="string"))

    assert postgresql.rows(
        "SELECT attname, collname FROM pg_attribute JOIN pg_collation ON attcollation = "
        "pg_collation.oid WHERE attrelid = 't'::regclass AND attnum > 0 ORDER BY attname"
    ) == [("c", "C"), ("d", "default"), ("v", "default")]
    assert column_of("citext").is_narrow


def test_parameters_of_a_session_change_no_values(postgresql: PostgreSQL) -> None:
    """Parameters can come from the URL, from the role and from the database."""
    run_sql(
        postgresql,
        "CREATE TABLE t (id bigint, note text, at date, v double precision)",
        "INSERT INTO t VALUES (0, 'a', '2024-02-01', 0.30000000000000004)",
        "DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || current_database() "
        "|| ' SET extra_float_digits = -3'; END $$",
    )
    postgresql.url += "&client_encoding=latin1&options=-c%20datestyle%3DGerman,DMY"

    postgresql.load(
        schema("t", id="integer", note="string", at="string", v="number"),
        record("t", id=1, note="åé", at="x", v=1.5),
    )

    assert postgresql.rows("SELECT id, note, at, v::text FROM t ORDER BY id") == [
        (0, "a", "2024-02-01", "0.30000000000000004"),
        (1, "åé", "x", "1.5"),
    ]


def test_a_domain_over_a_narrow_type_is_widened(postgresql: PostgreSQL) -> None:
    run_sql(
        postgresql, "CREATE DOMAIN cents AS numeric(6,2)", "CREATE TABLE t (id bigint, v cents)"
    )

    postgresql.load(schema("t", id="integer", v=DECIMAL), record("t", id=1, v="1.2345"))

    assert postgresql.rows("SELECT v::text FROM t") == [("1.2345",)]
