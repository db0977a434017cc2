"""A stand-in for Snowflake: a server for the real driver that runs the SQL in DuckDB."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

import pytest
from typing_extensions import override

from tests.targets.target_warehouse.warehouses import Warehouse

_MODULES = (
    "test_load",
    "test_metadata",
    "test_names",
    "test_standard",
    "test_sweep",
    "test_types",
)
"""Modules whose tests also run on the stand-in, because they check the stored values."""
_SAME_AGAIN = "others say the same of this warehouse, and a statement of the stand-in's takes 20 ms"
_JSON = "a VARIANT keeps no spaces, and not every number as it is: see test_snowflake.py"
_INT64 = "a NUMBER(38,0) of the stand-in has 64 bits"
_EXCEPT = {
    "TestStandard": _SAME_AGAIN,
    "test_a_property_that_the_schema_does_not_name_gets_a_column": _JSON,
    "test_integers_of_any_size": _INT64,
    "test_many_streams_that_take_turns": _SAME_AGAIN,
    "test_metadata_is_added": "the stand-in hands instants out that are null as of 1970",
    "test_nested_values_are_kept_as_they_were_sent": _JSON,
    "test_new_properties_add_columns": _JSON,
    "test_tables_are_in_the_schema_that_is_set": "the stand-in's stages need a plain schema",
    "test_the_last_record_of_a_key_wins": _SAME_AGAIN,
    "test_values_that_say_more_than_the_schema": _INT64,
}
_SERVE = """
import logging, sys, duckdb, fakesnow, fakesnow.cursor
from snowflake.connector.errors import ProgrammingError
logging.disable()  # it would fill the pipe
execute = fakesnow.cursor.FakeSnowflakeCursor._execute
def executed(*arguments):
    try:
        return execute(*arguments)
    except duckdb.ConstraintException as error:  # as Snowflake reports it
        message = "NULL result in a non-nullable column"
        raise ProgrammingError(message, errno=100072, sqlstate="22000") from error
fakesnow.cursor.FakeSnowflakeCursor._execute = executed
with fakesnow.server() as parameters:
    print(parameters["port"], flush=True)
    sys.stdin.read()
"""


def says_enough_of(test: pytest.Metafunc) -> bool:
    """Return whether a test also runs on the stand-in."""
    *_, module = test.module.__name__.split(".")
    own_names = {test.definition.originalname, getattr(test.cls, "__name__", "")}
    return module in _MODULES and not own_names & _EXCEPT.keys()


@contextlib.contextmanager
def serving() -> Iterator[int]:
    """Run the stand-in and return its port; it ends when its input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", _SERVE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as server:
        assert server.stdin
        assert server.stdout
        yield int(server.stdout.readline())
        server.stdin.close()


def watch(monkeypatch: pytest.MonkeyPatch, before: Callable[[str], None]) -> None:
    """Call a function before each statement of the loader, for example to raise an error."""
    # Not at the top: importing the driver takes seconds, which other tests need not wait for.
    from target_warehouse.warehouses.snowflake.adapter import SnowflakeAdapter  # noqa: PLC0415 - an extra

    execute = SnowflakeAdapter.execute

    def watched(self: SnowflakeAdapter, sql: str, *file: Any) -> list[tuple[Any, ...]]:
        before(sql)
        return execute(self, sql, *file)

    monkeypatch.setattr(SnowflakeAdapter, "execute", watched)


class Snowflake(Warehouse):
    """Snowflake; queries may use lower-case names, as for the others."""

    type_names = MappingProxyType(
        {
            "NUMBER(19,0)": "bigint",
            "NUMBER(38,2)": "numeric",
            "VARCHAR(16777216)": "text",
            "TIMESTAMP_TZ(9)": "timestamp with time zone",
            "VARIANT": "json",
        }
    )

    def __init__(self, port: int, database: str, folder: Path) -> None:
        self.server = {"host": "127.0.0.1", "port": port, "protocol": "http"}
        self.database = database
        query = urlencode({**self.server, "login_timeout": 10})
        super().__init__(f"snowflake://tester:secret@stand-in/{database}/public?{query}", folder)

    @override
    @contextlib.contextmanager
    def connected(self) -> Iterator[Any]:
        from snowflake.connector import connect  # noqa: PLC0415 - as above

        with connect(
            account="stand-in",
            user="tester",
            password="secret",
            database=self.database,
            schema="public",
            **self.server,
        ) as connection:
            yield _Session(connection)

    @override
    def columns(self, table: str) -> list[tuple[str, str]]:
        return [(in_lower_case(name), type_) for name, type_ in self.own_columns(table).items()]

    def own_columns(self, table: str) -> dict[str, str]:
        """The columns as Snowflake shows them."""
        return {name: type_ for name, type_, *_ in self.rows(f'DESCRIBE TABLE "{table}"')}

    @override
    def tables(self) -> set[str]:
        rows = self.rows(
            "SELECT table_name FROM information_schema.tables UNION "
            "SELECT table_name FROM information_schema.views"
        )
        return {in_lower_case(name) for (name,) in rows}

    @override
    def path(self, schema: str, table: str) -> str:
        return f'{self.database}."{schema}".{table}'


class _Session:
    """A connection that commits every statement."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def execute(self, sql: str) -> _Rows:
        in_capitals = re.sub(r'"[a-z_]+"', lambda name: name[0].upper(), sql)
        return _Rows(self._connection.cursor().execute(in_capitals))

    def commit(self) -> None:
        pass


class _Rows:
    def __init__(self, cursor: Any) -> None:
        self.fetchall = cursor.fetchall
        self.description = [(in_lower_case(column.name),) for column in cursor.description]


def in_lower_case(name: str) -> str:
    return name.lower() if re.fullmatch(r"[A-Z_][A-Z0-9_$]*", name) else name
