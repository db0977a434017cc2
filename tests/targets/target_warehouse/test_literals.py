"""Text of vendors is never executed as SQL, and is stored unchanged in every dialect."""

from __future__ import annotations

import contextlib

import psycopg
import pytest
import sqlglot
from target_warehouse.warehouses.base import Adapter
from target_warehouse.warehouses.registry import connect
from target_warehouse.warehouses.snowflake.dialect import SnowflakeDialect
from target_warehouse.warehouses.through_dlt.dialect import DltDialect

from tests.targets.target_warehouse.through_dlt import SCHEMA, ThroughDlt
from tests.targets.target_warehouse.warehouses import Warehouse

TEXTS = [
    "it's",
    "bad date \\', message = (SELECT group_concat(person) FROM hr), complete = 1 #",
    "bad date \\' || (SELECT max(person) FROM hr), complete = TRUE --",
    "ends in a backslash\\",
    "two \\\\ of them\\\\",
    "\\",
    "'",
    "''",
    "\\''",
    "100 % of :all $1 ? {} /* */ -- \t\n \\n \\u0041 \\x41 \\1",
    "a :word and \\:word",
    "å 😀",
]


def selected(adapter: Adapter, text: str) -> object:
    [(value,)] = adapter.execute(f"SELECT {adapter.dialect.literal(text)} AS value")
    return value


def test_literals_of_each_warehouse(warehouse: Warehouse) -> None:
    with contextlib.closing(connect(warehouse.url, None)) as adapter:
        assert [selected(adapter, text) for text in TEXTS] == TEXTS


def test_literals_through_dlt(through_dlt: ThroughDlt) -> None:
    with contextlib.closing(connect(through_dlt.url, SCHEMA)) as adapter:
        assert [selected(adapter, text) for text in TEXTS] == TEXTS


def test_literals_of_a_server_with_its_own_idea_of_backslashes(postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f"ALTER DATABASE {name} SET standard_conforming_strings = off".encode())

    with contextlib.closing(connect(postgres_url, "a\\'b")) as adapter:
        assert adapter.schema == "a\\'b"
        assert [selected(adapter, text) for text in TEXTS] == TEXTS


class _Client:
    """A destination of a dialect."""

    def __init__(self, dialect: str) -> None:
        self.capabilities = self
        self.sql_client = self
        self.sqlglot_dialect = dialect
        self.casefold_identifier = str

    def escape_column_name(self, name: str) -> str:
        return f'"{name}"'


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize(
    "dialect",
    ["athena", "bigquery", "clickhouse", "databricks", "mysql", "oracle", "redshift", "tsql"],
)
def test_literals_are_one_token_of_every_dialect(dialect: str, text: str) -> None:
    sql = DltDialect(_Client(dialect)).literal(text)

    # Athena reads queries as Trino does, and only DDL as Hive does.
    [token] = sqlglot.tokenize(sql, read="trino" if dialect == "athena" else dialect)
    assert (token.start, token.end) == (0, len(sql) - 1)
    assert token.text == text


@pytest.mark.parametrize("text", TEXTS)
def test_literals_are_one_token_of_snowflake(text: str) -> None:
    sql = SnowflakeDialect(255).literal(text)

    [token] = sqlglot.tokenize(sql, read="snowflake")
    assert (token.end, token.text) == (len(sql) - 1, text)
