"""DuckDB files, and MotherDuck."""

# ruff: noqa: S608 - identifiers and literals are quoted, and nothing else is put into SQL

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import duckdb
import pyarrow as pa
from typing_extensions import override

from target_warehouse.columns import Column, ColumnType
from target_warehouse.warehouses.base import Adapter, Merged
from target_warehouse.warehouses.dialect import STANDARD, listed, literal, quoted

_STAGE = "staged_rows"
_DIGITS = 38
_TYPES = {
    ColumnType.BOOLEAN: "BOOLEAN",
    ColumnType.INTEGER: "BIGINT",
    ColumnType.NUMBER: "DECIMAL(38,{scale})",
    ColumnType.DATE: "DATE",
    ColumnType.TIMESTAMP: "TIMESTAMP WITH TIME ZONE",
    ColumnType.TIME: "TIME",
    ColumnType.TEXT: "VARCHAR",
    ColumnType.JSON: "JSON",
}
_KINDS = {type_: kind for kind, type_ in _TYPES.items()}
_NARROW = {
    "TINYINT": ColumnType.INTEGER,
    "SMALLINT": ColumnType.INTEGER,
    "INTEGER": ColumnType.INTEGER,
}
"""Types that hold less than the one we use for their kind, in tables that others made."""


_MEMORY = "384MB"
"""What DuckDB keeps of tables and spills; it would take most of the machine's as tables grow."""


class DuckDBAdapter(Adapter):
    """Reads Arrow tables where they lie and merges them without an index."""

    types = _TYPES
    dialect = STANDARD
    batch_bytes = 16 << 20
    decimal_digits = _DIGITS
    errors = (duckdb.Error,)
    data_errors = (duckdb.DataError, duckdb.IntegrityError)

    @override
    def connect(self) -> None:
        parts = urlsplit(self._url)
        # By default there is a checkpoint after nearly every batch.
        settings: dict[str, Any] = {"wal_autocheckpoint": "256MB", **dict(parse_qsl(parts.query))}
        self._connection = duckdb.connect(unquote(parts.path)[1:], config=settings)
        self.execute("SET TimeZone = 'UTC'")
        # not before: what a killed load has left is taken up as it is opened, and has to fit
        self._is_limited = "memory_limit" not in settings
        if self._is_limited:
            self.execute(f"SET memory_limit = '{_MEMORY}'")
        self._connection.begin()

    @override
    def is_transient(self, error: Exception) -> bool:
        return self._is_limited and isinstance(error, duckdb.OutOfMemoryException)

    @override
    def reconnect(self) -> None:
        """Give a batch that does not fit into our own limit the memory that DuckDB would take."""
        self._is_limited = False
        self.execute("RESET memory_limit")

    @override
    def use_schema(self) -> None:
        if self._wanted_schema:
            self.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(self._wanted_schema)}")
            name = literal(self._wanted_schema)
        else:
            name = "current_schema()"
        # as it is spelled where it is, for its name in the catalog is compared by case
        ((self.schema,),) = self.execute(
            "SELECT schema_name FROM duckdb_schemas() "
            f"WHERE database_name = current_database() AND lower(schema_name) = lower({name})"
        )

    @override
    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql).fetchall()

    @override
    def columns(self, table: str) -> dict[str, Column]:
        rows = self.execute(
            "SELECT column_name, data_type, numeric_scale FROM duckdb_columns() "
            "WHERE database_name = current_database() "
            f"AND schema_name = {literal(self.schema)} AND table_name = {literal(table)} "
            "ORDER BY column_index"
        )
        return {name: _column(type_, scale) for name, type_, scale in rows}

    @override
    def is_narrower(self, existing: Column, wanted: Column) -> bool:
        short = existing.kind is ColumnType.NUMBER and not existing.type.startswith(
            f"DECIMAL({_DIGITS},"
        )
        return existing.type in _NARROW or short or super().is_narrower(existing, wanted)

    @override
    def alter(self, table: str, name: str, held: Column, column: Column) -> None:
        if column.kind is ColumnType.NUMBER:
            # More digits after the point leave fewer before it.
            whole = f"split_part(abs({quoted(name)})::VARCHAR, '.', 1)"
            longest = f"SELECT max(length({whole})) FROM {self.path(table)}"
            if (self.execute(longest)[0][0] or 0) + column.scale > _DIGITS:
                column = Column(ColumnType.TEXT)
        super().alter(table, name, held, column)

    @override
    def cast(self, name: str, held: Column, column: Column) -> str:
        cast = super().cast(name, held, column)
        if column.kind is ColumnType.TEXT and held.kind is ColumnType.NUMBER and held.scale:
            # it has as many digits after the point as its column, more than were sent
            return f"rtrim(rtrim({cast}, '0'), '.')"
        return cast

    @override
    def key(self, table: str, keys: Sequence[str]) -> None:
        """Do nothing: keys are for `merge` to look at, and an index would only slow it down."""

    @override
    def stage(self, table: str, rows: pa.Table, columns: Mapping[str, Column]) -> None:
        for index, (name, column) in enumerate(columns.items()):
            if column.kind is ColumnType.NUMBER:
                decimals = rows[name].cast(pa.decimal128(_DIGITS, column.scale))
                rows = rows.set_column(index, name, decimals)
        self._connection.register(_STAGE, rows)

    @override
    def merge(self, table: str, columns: Mapping[str, Column], keys: Sequence[str]) -> Merged:
        names = list(map(quoted, columns))
        same = " AND ".join(f"old.{key} = new.{key}" for key in map(quoted, keys))
        matched = f"EXISTS (FROM {self.path(table)} AS old WHERE {same})"
        if not self.execute(f"SELECT 1 FROM {_STAGE} AS new WHERE {matched} LIMIT 1"):
            return self._inserted(table, columns)  # half the work of a MERGE that matches nothing
        differs = " OR ".join(
            f"old.{quoted(name)} IS DISTINCT FROM new.{quoted(name)}"
            for name in self.compared(columns, keys)
        )
        before = self.count(table)
        ((changed,),) = self.execute(
            f"MERGE INTO {self.path(table)} AS old USING {_STAGE} AS new ON {same} "
            f"WHEN MATCHED AND ({differs or False}) "
            f"THEN UPDATE SET {', '.join(f'{name} = new.{name}' for name in names)} "
            f"WHEN NOT MATCHED THEN INSERT ({listed(columns)}) "
            f"VALUES ({', '.join(f'new.{name}' for name in names)})"
        )
        inserted = self.count(table) - before
        return Merged(inserted, changed - inserted)

    @override
    def append(self, table: str, rows: pa.Table, columns: Mapping[str, Column]) -> None:
        self.stage(table, rows, columns)
        self._inserted(table, columns)

    @override
    def commit(self) -> None:
        self._connection.commit()
        self._connection.unregister(_STAGE)
        self._connection.begin()

    @override
    def rollback(self) -> None:
        self._connection.rollback()
        self._connection.unregister(_STAGE)
        self._connection.begin()

    @override
    def close(self) -> None:
        self._connection.close()

    def _inserted(self, table: str, columns: Mapping[str, Column]) -> Merged:
        """Insert what is staged, and count it."""
        names = listed(columns)
        ((count,),) = self.execute(
            f"INSERT INTO {self.path(table)} ({names}) SELECT {names} FROM {_STAGE}"
        )
        return Merged(count, 0)


def _column(type_: str, scale: int | None) -> Column:
    if type_.startswith("DECIMAL"):
        return Column(ColumnType.NUMBER, scale or 0, type_)
    return Column(_KINDS.get(type_) or _NARROW.get(type_, ColumnType.TEXT), type=type_)


ADAPTER = DuckDBAdapter
