"""DuckDB files, and MotherDuck."""

# ruff: noqa: S608 - identifiers and literals are quoted, and nothing else is put into SQL

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa
from typing_extensions import override

from target_warehouse.columns import Column, ColumnType
from target_warehouse.warehouses.base import Adapter, Merged, TableError
from target_warehouse.warehouses.create_table import CreateTable
from target_warehouse.warehouses.dialect import STANDARD, listed, literal, quoted
from target_warehouse.warehouses.errors import key_error
from target_warehouse.warehouses.file_url import file_of
from target_warehouse.warehouses.history import keep_changed

_STAGE_VIEW = "staged_rows"
_STAGE = f"temp.{_STAGE_VIEW}"  # with its catalog, because a stream may have this name
_INSERTED_VIEW = "inserted_rows"
_CHANGED = "changed_rows"
_KEY = "Primary key: "
"""Beginning of a table's comment that names its key."""
_SPARE = "rebuilt by target-warehouse"
_ENUM = "ENUM("
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
_WHOLE = {type_: kind for kind, type_ in _TYPES.items()} | {
    "HUGEINT": ColumnType.INTEGER,
    "BIGNUM": ColumnType.INTEGER,
    "TIME WITH TIME ZONE": ColumnType.TIME,
    "UUID": ColumnType.TEXT,  # UUID columns refuse other texts
}
"""Types that hold every value of a kind. All other types are narrow: their columns are widened."""
_FLOATS = ("FLOAT", "DOUBLE")
_LONG_UNSIGNED = ("UBIGINT", "UHUGEINT")
_NARROW = {
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER"), ColumnType.INTEGER),
    **dict.fromkeys(("UTINYINT", "USMALLINT", "UINTEGER"), ColumnType.INTEGER),
    **dict.fromkeys(_LONG_UNSIGNED, ColumnType.INTEGER),
    **dict.fromkeys(_FLOATS, ColumnType.NUMBER),
    **dict.fromkeys(
        ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"), ColumnType.TIMESTAMP
    ),
    "VARIANT": ColumnType.JSON,
}
"""The kinds of narrow types without brackets; other types become text."""
_NESTED = ("STRUCT(", "MAP(", "UNION(")
_MEMORY = "384MB"
"""DuckDB's limit for cached tables; its default takes most of the machine's memory."""


class DuckDBAdapter(Adapter):
    """Reads Arrow tables in place and merges them without an index."""

    types = _TYPES
    dialect = STANDARD
    batch_bytes = 16 << 20
    decimal_digits = _DIGITS
    errors = (duckdb.Error,)
    data_errors = (duckdb.DataError, duckdb.IntegrityError)
    _is_limited = False

    @override
    def connect(self) -> None:
        file, given = file_of(self._url, "duckdb")
        # By default, DuckDB makes a checkpoint after nearly every batch.
        settings: dict[str, Any] = {"wal_autocheckpoint": "256MB", **given}
        self._connection = duckdb.connect(file, config=settings)
        self.execute("SET TimeZone = 'UTC'")
        ((self._catalog,),) = self.execute("SELECT current_database()")
        # only now: opening replays what a killed load has left, which may need more memory
        self._is_limited = "memory_limit" not in settings
        if self._is_limited:
            self.execute(f"SET memory_limit = '{_MEMORY}'")
        self._connection.begin()

    @override
    def is_transient(self, error: Exception) -> bool:
        return self._is_limited and isinstance(error, duckdb.OutOfMemoryException)

    @override
    def reconnect(self) -> None:
        """Give a batch that exceeds our memory limit DuckDB's default limit."""
        self._is_limited = False
        self.execute("RESET memory_limit")

    @override
    def use_schema(self) -> None:
        if self._wanted_schema:
            self.execute(f"CREATE SCHEMA IF NOT EXISTS {self.schema_path(self._wanted_schema)}")
            name = literal(self._wanted_schema)
        else:
            name = "current_schema()"
        # as the catalog spells it, because its name there is compared by case
        ((self.schema,),) = self.execute(
            "SELECT schema_name FROM duckdb_schemas() "
            f"WHERE database_name = current_database() AND lower(schema_name) = lower({name})"
        )

    @override
    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql).fetchall()

    @override
    def columns(self, table: str) -> dict[str, Column]:
        return {name: column for name, column, _ in self._described(table)}

    @override
    def loaded_columns(self, table: str) -> dict[str, Column]:
        return {name: column for name, column, default in self._described(table) if default is None}

    def _described(self, table: str) -> list[tuple[str, Column, str | None]]:
        """Return the columns of a table, with the expressions of their defaults."""
        rows = self.execute(
            "SELECT column_name, data_type, numeric_scale, column_default FROM duckdb_columns() "
            "WHERE database_name = current_database() "
            f"AND schema_name = {literal(self.schema)} AND table_name = {literal(table)} "
            "ORDER BY column_index"
        )
        return [(name, _column(type_, scale), default) for name, type_, scale, default in rows]

    @override
    def schema_path(self, schema: str) -> str:
        # With the catalog: a schema may have the same name as the file.
        return f"{quoted(self._catalog)}.{quoted(schema)}"

    @override
    def is_narrower(self, existing: Column, wanted: Column) -> bool:
        is_whole = existing.type in _WHOLE or existing.type.startswith(
            (f"DECIMAL({_DIGITS},", _ENUM)
        )
        return not is_whole or super().is_narrower(existing, wanted)

    @override
    def alter(self, table: str, name: str, held: Column, column: Column) -> bool:
        if column.kind is ColumnType.INTEGER and held.type in _LONG_UNSIGNED:
            column = dataclasses.replace(column, kind=ColumnType.NUMBER)
        if column.kind is ColumnType.NUMBER:
            column = self._decimal(table, name, held, column)
        if self._is_bound(table):
            self._rebuild(table, name, held, column)
            return True
        return super().alter(table, name, held, column)

    def _decimal(self, table: str, name: str, held: Column, column: Column) -> Column:
        """Return the decimal column that also holds the present values, or a text column."""
        text = f"abs({quoted(name)})::VARCHAR"
        whole, fraction = (f"max(length(split_part({text}, '.', {part})))" for part in (1, 2))
        if held.type in _FLOATS:
            fraction = f"max(length(rtrim(split_part({text}, '.', 2), '0')))"
        ((longest, scale, is_odd),) = self.execute(
            f"SELECT {whole}, {fraction}, bool_or(NOT regexp_full_match({text}, '[0-9.]+')) "
            f"FROM {self.path(table)}"
        )
        if held.type in _FLOATS:
            column = dataclasses.replace(column, scale=max(column.scale, scale or 0))
        # More digits after the point leave fewer before it.
        if is_odd or (longest or 0) + column.scale > _DIGITS:
            return dataclasses.replace(column, kind=ColumnType.TEXT)
        return column

    def _is_bound(self, table: str) -> bool:
        """Return whether a key, an index or the like stops DuckDB from altering types.

        Views do not matter.
        """
        is_table = (
            f"database_name = {literal(self._catalog)} AND schema_name = {literal(self.schema)} "
            f"AND table_name = {literal(table)}"
        )
        return bool(
            self.execute(
                "SELECT 1 FROM duckdb_constraints() "
                f"WHERE constraint_type <> 'NOT NULL' AND {is_table} "
                f"UNION ALL SELECT 1 FROM duckdb_indexes() WHERE {is_table} "
                f"UNION ALL SELECT 1 FROM duckdb_tables() WHERE {is_table} "
                "AND contains(sql, ' GENERATED ALWAYS AS') LIMIT 1"
            )
        )

    def _rebuild(self, table: str, name: str, held: Column, column: Column) -> None:
        """Replace a table by one in which a column has another type; all else stays."""
        where = f"schema_name = {literal(self.schema)} AND table_name = {literal(table)}"
        here = f"database_name = {literal(self._catalog)}"
        ((sql,),) = self.execute(f"SELECT sql FROM duckdb_tables() WHERE {where} AND {here}")
        indexes = self.execute(f"SELECT sql FROM duckdb_indexes() WHERE {where} AND {here}")
        names = list(self.columns(table))
        try:
            definition = CreateTable.parsed(sql.removesuffix(";"), names)
        except ValueError as error:
            raise TableError(
                f"the table {table!r} has to be rebuilt, but its definition cannot be read: {error}"
            ) from error
        filled = [
            each
            for each, text in zip(names, definition.columns, strict=True)
            if " GENERATED ALWAYS AS" not in text
        ]
        definition.retype(names.index(name), self.type_of(column))
        values = ", ".join(
            self.cast(name, held, column) if each == name else quoted(each) for each in filled
        )
        path, spare = self.path(table), self.path(_SPARE)
        self.execute(definition.sql(spare))
        self.execute(f"INSERT INTO {spare} ({listed(filled)}) SELECT {values} FROM {path}")
        self.execute(f"DROP TABLE {path}")
        self.execute(f"ALTER TABLE {spare} RENAME TO {quoted(table)}")
        for (index,) in indexes:
            self.execute(index)

    @override
    def cast(self, name: str, held: Column, column: Column) -> str:
        cast = super().cast(name, held, column)
        if column.kind is ColumnType.TEXT and held.type in _FLOATS:
            return f"regexp_replace({cast}, '\\.0$', '')"
        if column.kind is ColumnType.TEXT and held.kind is ColumnType.NUMBER and held.scale:
            # the text has as many digits after the point as the column, more than were sent
            return f"rtrim(rtrim({cast}, '0'), '.')"
        return cast

    @override
    def key(self, table: str, keys: Sequence[str]) -> None:
        """Check that rows do not share a key, and note the key: an index would slow merges down."""
        ((comment,),) = self.execute(
            "SELECT comment FROM duckdb_tables() "
            f"WHERE database_name = {literal(self._catalog)} "
            f"AND schema_name = {literal(self.schema)} AND table_name = {literal(table)}"
        )
        wanted = f"{_KEY}{', '.join(keys)}" if keys else None
        if comment == wanted or (comment and not comment.startswith(_KEY)):
            return
        path, names = self.path(table), listed(keys)
        shared = f"SELECT 1 FROM {path} GROUP BY {names} HAVING count(*) > 1 LIMIT 1"
        if keys and self.execute(shared):
            held = (comment or "").removeprefix(_KEY)
            raise key_error(table, held.split(", ") if held else (), keys)
        value = literal(wanted) if wanted else "NULL"
        self.execute(f"COMMENT ON TABLE {path} IS {value}")

    @override
    def deduplicate(self, table: str, keys: Sequence[str]) -> None:
        path = self.path(table)
        self.execute(
            f"DELETE FROM {path} WHERE rowid NOT IN "
            f"(SELECT max(rowid) FROM {path} GROUP BY {listed(keys)})"
        )

    @override
    def create(self, table: str, columns: Mapping[str, Column], keys: Sequence[str]) -> None:
        super().create(table, columns, keys)
        self.key(table, keys)

    @override
    def stage(self, table: str, rows: pa.Table, columns: Mapping[str, Column]) -> None:
        self._connection.register(_STAGE_VIEW, _typed(rows, columns))

    @override
    def staged(self) -> str:
        return _STAGE

    @override
    def insert(self, path: str, rows: pa.Table, columns: Mapping[str, Column]) -> None:
        names = listed(columns)
        self._connection.register(_INSERTED_VIEW, _typed(rows, columns))
        self.execute(f"INSERT INTO {path} ({names}) SELECT {names} FROM temp.{_INSERTED_VIEW}")
        self._connection.unregister(_INSERTED_VIEW)

    @override
    def merge(
        self,
        table: str,
        columns: Mapping[str, Column],
        keys: Sequence[str],
        history: str | None = None,
    ) -> Merged:
        names = list(map(quoted, columns))
        update = ", ".join(
            f"{name} = new.{name}"
            for name in map(quoted, (each for each in columns if each not in keys))
        )
        same = " AND ".join(f"old.{key} = new.{key}" for key in map(quoted, keys))
        matched = f"EXISTS (FROM {self.path(table)} AS old WHERE {same})"
        if not self.execute(f"SELECT 1 FROM {_STAGE} AS new WHERE {matched} LIMIT 1"):
            return self._inserted(table, columns)  # half the work of a MERGE that matches nothing
        differs = " OR ".join(
            f"old.{quoted(name)} IS DISTINCT FROM new.{quoted(name)}"
            for name in self.compared(columns, keys)
        )
        source = _STAGE
        if history:
            source = self.temporary(_CHANGED)
            self.discard(source)
            self.execute(
                f"CREATE TEMPORARY TABLE {source} AS SELECT new.* FROM {_STAGE} AS new "
                f"LEFT JOIN {self.path(table)} AS old ON {same} "
                f"WHERE old.{quoted(keys[0])} IS NULL OR {differs or False}"
            )
            self.execute(keep_changed(self, table, history, keys, source))
        before = self.count(table)
        ((changed,),) = self.execute(
            f"MERGE INTO {self.path(table)} AS old USING {source} AS new ON {same} "
            + (f"WHEN MATCHED AND ({differs}) THEN UPDATE SET {update} " if differs else "")
            + f"WHEN NOT MATCHED THEN INSERT ({listed(columns)}) "
            f"VALUES ({', '.join(f'new.{name}' for name in names)})"
        )
        inserted = self.count(table) - before
        return Merged(inserted, changed - inserted)

    @override
    def append(self, table: str, rows: pa.Table, columns: Mapping[str, Column]) -> None:
        self.stage(table, rows, columns)
        self._inserted(table, columns)

    @override
    def comment(self, table: str, comments: Mapping[str, str]) -> None:
        held = dict(
            self.execute(
                "SELECT column_name, comment FROM duckdb_columns() "
                f"WHERE database_name = {literal(self._catalog)} "
                f"AND schema_name = {literal(self.schema)} AND table_name = {literal(table)}"
            )
        )
        for name, text in comments.items():
            if name in held and held[name] != text:
                self.execute(
                    f"COMMENT ON COLUMN {self.path(table)}.{quoted(name)} IS {literal(text)}"
                )

    @override
    def commit(self) -> None:
        self._connection.commit()
        self._connection.unregister(_STAGE_VIEW)
        self._connection.begin()

    @override
    def rollback(self) -> None:
        self._connection.rollback()
        self._connection.unregister(_STAGE_VIEW)
        self._connection.begin()

    @override
    def close(self) -> None:
        self._connection.close()

    def _inserted(self, table: str, columns: Mapping[str, Column]) -> Merged:
        """Insert the staged rows, and count them."""
        names = listed(columns)
        ((count,),) = self.execute(
            f"INSERT INTO {self.path(table)} ({names}) SELECT {names} FROM {_STAGE}"
        )
        return Merged(count, 0)


def _typed(rows: pa.Table, columns: Mapping[str, Column]) -> pa.Table:
    """Return rows with their numbers, which are texts, as decimals."""
    for index, (name, column) in enumerate(columns.items()):
        if column.kind is ColumnType.NUMBER:
            decimals = rows[name].cast(pa.decimal128(_DIGITS, column.scale))
            rows = rows.set_column(index, name, decimals)
    return rows


def _column(type_: str, scale: int | None) -> Column:
    if type_.startswith("DECIMAL"):
        return Column(ColumnType.NUMBER, scale or 0, type_)
    if type_.endswith("]") or type_.startswith(_NESTED):
        return Column(ColumnType.JSON, type=type_)
    return Column(_WHOLE.get(type_) or _NARROW.get(type_, ColumnType.TEXT), type=type_)


ADAPTER = DuckDBAdapter
