"""CREATE TABLE statements of SQLite are edited, or refused if a part of them is not understood."""

from __future__ import annotations

import sqlite3

import pytest
from target_warehouse.columns import Column, ColumnType
from target_warehouse.warehouses.create_table import CreateTable, collated

from tests.targets.target_warehouse.warehouses import SQLite, record, schema, state

ODD = """CREATE TABLE "o" ("a,(" INTEGER -- a ) comment, with (
  , [b] VARCHAR(10) DEFAULT (1 + (2)) CHECK (b <> ','), `c` /* , */ TEXT,
  'd' NUMERIC GENERATED ALWAYS AS (1), PRIMARY KEY ("a,(")
  , CHECK (b <> ')')) WITHOUT ROWID, STRICT"""


def test_a_statement_is_parsed_to_the_letter() -> None:
    table = CreateTable.parsed(ODD, ["a,(", "b", "c", "d"])

    assert [len(table.columns), len(table.constraints)] == [4, 2]
    assert table.sql('"o"').replace(" ", "") == ODD.replace(" ", "")
    assert table.is_strict


def test_a_parsed_statement_creates_the_same_table_again() -> None:
    sql = ODD.removesuffix(", STRICT")
    connection = sqlite3.connect(":memory:")
    connection.execute(sql)
    [(stored,)] = connection.execute("SELECT sql FROM sqlite_master WHERE type = 'table'")
    columns = [row[1] for row in connection.execute("PRAGMA table_xinfo(o)")]
    table = CreateTable.parsed(stored, columns)
    table.retype(1, "TEXT")
    table.rekey(["a,(", "b"])

    connection.execute("DROP TABLE o")
    connection.execute(table.sql('"o"'))

    rows = connection.execute("PRAGMA table_xinfo(o)").fetchall()
    connection.close()
    assert [(name, type_, key) for _, name, type_, _, _, key, _ in rows] == [
        ("a,(", "INTEGER", 1),
        ("b", "TEXT", 2),
        ("c", "TEXT", 0),
        ("d", "NUMERIC", 0),
    ]


@pytest.mark.parametrize(
    "constraint",
    [
        *("CONSTRAINT c NOT NULL", "PRIMARY KEY", "NOT NULL", "NULL", "UNIQUE", "CHECK (a > 0)"),
        *("DEFAULT 1", "REFERENCES o (b)", "GENERATED ALWAYS AS (1)", "AS (1)"),
    ],
)
def test_a_change_of_type_keeps_constraints_of_the_column(constraint: str) -> None:
    table = CreateTable.parsed(f"CREATE TABLE o (a VARCHAR(10) {constraint}, b TEXT)", ["a", "b"])
    table.retype(0, "TEXT")
    assert table.columns[0].split() == ["a", "TEXT", *constraint.split()]


@pytest.mark.parametrize("name", ["nocase", '"a b"', "NOCASE.NOACCENT", "'rtrim'", "[x]"])
def test_a_change_of_type_drops_the_collation(name: str) -> None:
    default = "DEFAULT ' COLLATE nocase'"
    sql = f"CREATE TABLE o (a CHAR NOT NULL collate {name} {default}, b TEXT COLLATE binary)"
    table = CreateTable.parsed(sql, ["a", "b"])
    kinds = [collated(Column(ColumnType.TEXT, type="TEXT"), each).type for each in table.columns]
    assert kinds == [f"TEXT COLLATE {name}", "TEXT"]
    table.retype(0, "TEXT")
    assert table.columns[0] == f"a TEXT NOT NULL {default}"


@pytest.mark.parametrize(
    "constraint",
    [
        *("CONSTRAINT c CHECK (a > 0)", "PRIMARY KEY (a)", "UNIQUE (a)", "CHECK (a > 0)"),
        "FOREIGN KEY (a) REFERENCES o (b)",
    ],
)
def test_constraints_of_a_table_are_kept(constraint: str) -> None:
    table = CreateTable.parsed(f"CREATE TABLE o (a INTEGER, b TEXT, {constraint})", ["a", "b"])
    assert table.constraints == [f" {constraint}"]


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE VIRTUAL TABLE o USING fts5(a, b)",
        "CREATE VIEW o AS SELECT 1 AS a, 2 AS b",
        "CREATE TABLE o (a INTEGER)",
        "CREATE TABLE o (b INTEGER, a INTEGER)",
        "CREATE TABLE o (a INTEGER, b TEXT, c TEXT)",
        "CREATE TABLE o (a INTEGER, b TEXT,)",
        "CREATE TABLE o (a INTEGER, b TEXT DEFAULT 'x)",
        "CREATE TABLE o (a INTEGER, b TEXT) SOMEHOW",
        "CREATE TABLE o (a INTEGER, b TEXT",
    ],
)
def test_a_statement_that_is_not_understood_is_refused(sql: str) -> None:
    with pytest.raises(ValueError, match=r"it has|not closed|it is not"):
        CreateTable.parsed(sql, ["a", "b"])


def test_a_column_of_a_strict_table_that_has_to_change(sqlite: SQLite) -> None:
    with sqlite.connected() as connection:
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, n REAL) STRICT")

    run = sqlite.load(
        schema("orders", id="integer", n="number"), record("orders", id=1, n=0.1), fails=True
    )

    assert "'n' of the table 'orders'" in str(run.error)
    assert "STRICT" in str(run.error)


def test_a_column_of_a_strict_table_that_becomes_text(sqlite: SQLite) -> None:
    with sqlite.connected() as connection:
        connection.execute("CREATE TABLE orders (id TEXT COLLATE NOCASE PRIMARY KEY) STRICT")

    sqlite.load(schema("orders", id="string"), record("orders", id="a"), record("orders", id="A"))

    assert sqlite.rows("SELECT id FROM orders ORDER BY id") == [("A",), ("a",)]


def test_a_strict_table_that_needs_another_column(sqlite: SQLite) -> None:
    with sqlite.connected() as connection:
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY) STRICT")
    lines = [schema("orders", id="integer", paid="boolean"), record("orders", id=1), state(1)]
    run = sqlite.load(*lines, fails=True)

    assert run.states == []
    assert "'orders' is STRICT" in str(run.error)
