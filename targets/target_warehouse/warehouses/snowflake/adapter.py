"""The adapter of Snowflake."""

# ruff: noqa: S608 - identifiers and literals are quoted, and nothing else is put into SQL

from __future__ import annotations

import contextlib
import itertools
import uuid
from collections.abc import Sequence
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
from snowflake.connector.errors import Error, ProgrammingError
from typing_extensions import override

from target_warehouse.columns import Column, Columns, ColumnType
from target_warehouse.warehouses.base import Adapter, Merged, WarehouseError
from target_warehouse.warehouses.history import keep_changed
from target_warehouse.warehouses.merging import Merge
from target_warehouse.warehouses.snowflake.connection import opened
from target_warehouse.warehouses.snowflake.dialect import SnowflakeDialect, swapped
from target_warehouse.warehouses.snowflake.staging import own_texts, upload
from target_warehouse.warehouses.snowflake.types import (
    DIGITS,
    FLOATS,
    LONG_TEXT,
    SHORT_TEXT,
    TYPES,
    column_of,
    parts_of,
    typed,
)

_NEW, _OLD = "_sdc_new__", "_sdc_old__"
"""Prefixes of a column's successor, and of the column itself once it has one."""
_NO_SUCH_OBJECT = 2003
_COMMENT = 9  # position in a row of DESCRIBE TABLE
_DATA_ERRORS = range(100_000, 101_000)  # raised while a statement runs
_TOO_MANY_WAIT = 625  # a lock timeout
_SIGNED_OUT = range(390_110, 390_116)  # the session has expired after hours without a request


class RowError(Exception):
    """A row's value is invalid."""


class SnowflakeAdapter(Adapter):
    """Uploads rows as a Parquet file to a stage of the session, and merges them from there.

    Each statement is a separate transaction, except those that replace tables, so a killed load
    does not leave a transaction open that keeps a table locked.
    """

    types = TYPES
    dialect = SnowflakeDialect(255 - len(_NEW))
    batch_bytes = 64 << 20
    decimal_digits = DIGITS
    text_limit = LONG_TEXT // 4
    errors = (Error, RowError)
    data_errors = (RowError,)

    @override
    def connect(self) -> None:
        self._connection = opened(self._url)
        self._signed_out = False
        self._staged = f"TARGET_WAREHOUSE_{uuid.uuid4().hex.upper()}"
        """Name of the session's stage, and of its table of staged rows."""
        self._numbers = itertools.count(1)
        self._replacing: dict[str, str] = {}
        """Tables to be replaced, and the tables of their new rows."""
        self._staged_columns: Columns = {}

    @override
    def use_schema(self) -> None:
        [(database, current)] = self.execute("SELECT CURRENT_DATABASE(), CURRENT_SCHEMA()")
        if database is None:
            raise WarehouseError(
                "the database that the setting url names does not exist, or its role cannot use it"
            )
        if not self._wanted_schema and current is None:
            raise WarehouseError("the session has no schema: set default_target_schema")
        self.schema = self._wanted_schema or swapped(current)
        if self._wanted_schema and not self.has_schema(self.schema):
            # even IF NOT EXISTS needs the right to create a schema
            self.execute(f"CREATE SCHEMA IF NOT EXISTS {self.dialect.identifier(self.schema)}")
        self.execute(f"USE SCHEMA {self.dialect.identifier(self.schema)}")
        self.execute(f"CREATE TEMPORARY STAGE IF NOT EXISTS {self._staged}")

    @override
    def execute(self, sql: str, file: BinaryIO | None = None) -> list[tuple[Any, ...]]:
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(sql, file_stream=file)
                return [tuple(row) for row in cursor.fetchall()]
        except Error as error:
            self._signed_out = error.errno in _SIGNED_OUT
            if error.errno in _DATA_ERRORS and str(error.sqlstate).startswith("22"):
                raise RowError(self.explain(error)) from error
            raise

    @override
    def is_transient(self, error: Exception) -> bool:
        # Lost connections are not transient here: the driver has repeated the request under its
        # number, so that it ran once. Under another number it might run twice.
        return getattr(error, "errno", None) in (_TOO_MANY_WAIT, *_SIGNED_OUT)

    @override
    def reconnect(self) -> None:
        if self._signed_out:
            self.connect()
            self.use_schema()

    @override
    def columns(self, table: str) -> dict[str, Column]:
        columns = self._described(table)
        if any(name.startswith((_NEW, _OLD)) for name in columns):
            self._finish_altering(table, columns)
            columns = self._described(table)
        return columns

    def _described(self, table: str) -> dict[str, Column]:
        try:
            rows = self.execute(f"DESCRIBE TABLE {self.path(table)}")
        except ProgrammingError as error:
            if error.errno == _NO_SUCH_OBJECT:
                return {}
            raise
        return {
            swapped(name): column_of(type_).in_table(
                is_filled=default is not None, is_required=nullable == "N"
            )
            for name, type_, _, nullable, default, *_ in rows
        }

    @override
    def alter(self, table: str, name: str, held: Column, column: Column) -> bool:
        path, plain = self.path(table), self.dialect.identifier(name)
        if column.kind is ColumnType.NUMBER:
            column = self.fitted(table, name, column, DIGITS)
        type_ = self.type_of(column)
        base, _, scale = parts_of(type_)
        if base in ("NUMBER", "VARCHAR") and (base, scale) == parts_of(held.type)[::2]:
            self.execute(f"ALTER TABLE {path} ALTER COLUMN {plain} SET DATA TYPE {type_}")
            return True
        # No other change of type is allowed. If this is interrupted, even by another load that
        # takes it for interrupted, one column has all values: `columns` finds it.
        new = self.dialect.identifier(_NEW + name)
        self.execute(f"ALTER TABLE {path} ADD COLUMN {new} {type_}")
        self.execute(f"UPDATE {path} SET {new} = {self.cast(name, held, column)}")
        self._rename(table, name, _OLD + name)
        self._rename(table, _NEW + name, name)
        self._remove(table, _OLD + name)
        return True

    @override
    def cast(self, name: str, held: Column, column: Column) -> str:
        value = self.dialect.identifier(name)
        if column.kind is ColumnType.JSON:
            return f"TO_VARIANT({value})"
        if held.type in FLOATS:  # by its text, a FLOAT of 0.1 has one digit after the point
            value = f"CAST({value} AS VARCHAR)"
        value = f"CAST({value} AS {self.type_of(column)})"
        if column.kind is ColumnType.TEXT and held.kind is ColumnType.NUMBER and held.scale:
            # the text has as many digits after the point as the column, more than were sent
            return f"REGEXP_REPLACE({value}, '[.]?0+$', '')"
        return value

    def _finish_altering(self, table: str, columns: Columns) -> None:
        """Complete an `alter` that was interrupted."""
        for prefix in (_NEW, _OLD):
            for column in (each for each in columns if each.startswith(prefix)):
                name = column.removeprefix(prefix)
                # a successor may have values that the column itself does not have
                if name in columns or (prefix == _OLD and _NEW + name in columns):
                    self._remove(table, column)
                else:
                    self._rename(table, column, name)

    def _rename(self, table: str, name: str, to: str) -> None:
        self.execute(
            f"ALTER TABLE {self.path(table)} "
            f"RENAME COLUMN {self.dialect.identifier(name)} TO {self.dialect.identifier(to)}"
        )

    def _remove(self, table: str, name: str) -> None:
        self.execute(f"ALTER TABLE {self.path(table)} DROP COLUMN {self.dialect.identifier(name)}")

    @override
    def key(self, table: str, keys: Sequence[str], columns: Columns) -> None:
        """Do nothing: Snowflake does not enforce keys."""

    @override
    def is_empty(self, table: str) -> bool:
        """Return False for merges: of two loads that begin at once, both would append all rows."""
        return False

    @override
    def stage(self, table: str, rows: pa.Table, columns: Columns) -> None:
        texts = own_texts(rows, columns)
        types = {
            own: self._room(table, name, column, texts[own])
            for own, (name, column) in zip(texts.column_names, columns.items(), strict=True)
        }
        self._staged_columns = columns
        upload(self.execute, self._staged, next(self._numbers), texts, types)

    @override
    def staged(self) -> str:
        return self._selected(self._staged_columns)

    @override
    def temporary(self, name: str) -> str:
        return self.dialect.identifier(f"{self._staged}_{name}")

    @override
    def insert(self, path: str, rows: pa.Table, columns: Columns) -> None:
        texts = own_texts(rows, columns)
        types = dict.fromkeys(texts.column_names, "VARCHAR")
        upload(self.execute, self._staged, next(self._numbers), texts, types)
        self.insert_from(path, self._selected(columns), columns)

    @override
    def atomically(self, statements: Sequence[str]) -> list[tuple[Any, ...]]:
        if len(statements) == 1:
            return super().atomically(statements)
        self.execute("BEGIN")
        try:
            rows = super().atomically(statements)
        except Error:
            self.execute("ROLLBACK")
            raise
        self.execute("COMMIT")
        return rows

    @override
    def comments(self, table: str) -> dict[str, str | None]:
        described = self.execute(f"DESCRIBE TABLE {self.path(table)}")
        return {swapped(row[0]): row[_COMMENT] for row in described}

    def _room(self, table: str, name: str, column: Column, texts: pa.ChunkedArray) -> str:
        """Return a type that holds these texts, and widen the column to it."""
        size = pc.max(pc.binary_length(texts)).as_py() or 0
        if size > LONG_TEXT:
            raise RowError(f"{name}: {size} bytes are more than the {LONG_TEXT} of a text")
        if size <= SHORT_TEXT:
            return "VARCHAR"
        long = f"VARCHAR({LONG_TEXT})"
        if parts_of(column.type)[:2] == ("VARCHAR", SHORT_TEXT):
            self.execute(
                f"ALTER TABLE {self.path(table)} "
                f"ALTER COLUMN {self.dialect.identifier(name)} SET DATA TYPE {long}"
            )
        return long

    @override
    def differs(self, column: Column, one: str, other: str) -> str:
        if column.kind is ColumnType.JSON:
            one, other = f"TO_JSON({one})", f"TO_JSON({other})"
        return super().differs(column, one, other)

    @override
    def deduplicate(self, table: str, keys: Sequence[str]) -> None:
        path, names = self.path(table), self.dialect.identifiers(keys)
        self.execute(
            f"INSERT OVERWRITE INTO {path} SELECT * FROM {path} "
            f"QUALIFY ROW_NUMBER() OVER (PARTITION BY {names} ORDER BY {names}) = 1"
        )

    @override
    def merge(
        self, table: str, columns: Columns, keys: Sequence[str], history: str | None = None
    ) -> Merged:
        merge, source = Merge(self, table, columns, keys), self.staged()
        statements = [merge.statement(source)]
        if history:
            kept = keep_changed(self, table, history, keys, source)
            statements.insert(0, f"{kept} AND ({merge.differs()})")
        [(inserted, *updated)] = self.atomically(statements)
        return Merged(int(inserted), sum(map(int, updated)))

    @override
    def append(self, table: str, rows: pa.Table, columns: Columns) -> None:
        self.stage(table, rows, columns)
        self.insert_from(self.path(table), self.staged(), columns)

    def _selected(self, columns: Columns) -> str:
        """Return the query of the staged rows, with values in the types of the columns."""
        values = ", ".join(
            f"{typed(f'C{index}', column)} AS {self.dialect.identifier(name)}"
            for index, (name, column) in enumerate(columns.items())
        )
        return f"(SELECT {values} FROM {self._staged})"

    @override
    def replace(self, table: str, source: str) -> None:
        # Only after the commit: DDL for the next table would end the transaction.
        self._replacing[table] = source

    @override
    def commit(self) -> None:
        if not self._replacing:
            return
        statements = []
        for table, source in self._replacing.items():
            names = self.dialect.identifiers(self._described(source))
            statements.append(
                f"INSERT OVERWRITE INTO {self.path(table)} ({names}) "
                f"SELECT {names} FROM {self.path(source)}"
            )
        self.atomically(statements)
        replaced, self._replacing = self._replacing, {}
        for source in replaced.values():
            with contextlib.suppress(Error):  # if this fails, the next load drops the table
                self.drop(source)

    @override
    def rollback(self) -> None:
        self._replacing = {}  # only `atomically` opens transactions, and ends them


ADAPTER = SnowflakeAdapter
