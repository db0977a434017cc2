"""The adapter of DuckDB."""

# ruff: noqa: S608 - identifiers and literals are quoted, and nothing else is put into SQL

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from typing_extensions import override

from target_warehouse.arrow import retyped
from target_warehouse.columns import Column, Columns, ColumnType
from target_warehouse.warehouses.base import Adapter, Merged, TableError
from target_warehouse.warehouses.create_table import CreateTable
from target_warehouse.warehouses.dialect import STANDARD, SqlDialect, listed, literal, quoted
from target_warehouse.warehouses.duckdb import probe, types
from target_warehouse.warehouses.duckdb.catalog import Catalog
from target_warehouse.warehouses.duckdb.types import DIGITS
from target_warehouse.warehouses.errors import key_error
from target_warehouse.warehouses.file_url import file_of
from target_warehouse.warehouses.history import keep_changed
from target_warehouse.warehouses.merging import Merge

_STAGE_VIEW = "staged_rows"
_STAGE = f"temp.{_STAGE_VIEW}"  # qualified with the catalog, because a stream may have this name
_INSERTED_VIEW = "inserted_rows"
_CHANGED = "changed_rows"
_KEY = "Primary key: "
"""Beginning of a table's comment that names its key."""
_SPARE = "rebuilt by target-warehouse"
_MANY_COLUMNS = 50
"""Number of new columns from which a table is rebuilt: each ALTER TABLE copies the columns."""
_MEMORY = "384MB"
"""DuckDB's limit for cached tables; its default takes most of the machine's memory."""


class DuckDBAdapter(Adapter):
    """Reads Arrow tables in place and merges them without an index."""

    types = types.TYPES
    dialect = SqlDialect(STANDARD.name_limit, reserved_columns=("rowid",))
    batch_bytes = 16 << 20
    decimal_digits = DIGITS
    row_id = ("rowid",)
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
        self.execute("SET default_collation = ''")  # others may treat different texts as equal
        ((self._catalog,),) = self.execute("SELECT current_database()")
        self._tables = Catalog(self.execute, self._catalog)
        self._matches: dict[str, bool] = {}
        # not before: opening replays what a killed load has left, which may need more memory
        self._is_limited = "memory_limit" not in settings
        ((self._default_limit,),) = self.execute("SELECT current_setting('memory_limit')")
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
        # in DuckDB 1.4, RESET changes the setting but not the limit
        self.execute(f"SET memory_limit = '{self._default_limit}'")

    @override
    def scrub(self) -> None:
        # deleted values stay in the blocks of the file, so its live rows move to a new one
        file = Path(file_of(self._url, "duckdb")[0])
        new = file.with_name(f"{file.name}.rewritten")
        new.unlink(missing_ok=True)
        self._connection.rollback()
        self.execute(f"ATTACH {literal(str(new))} AS rewritten")
        self.execute(f"COPY FROM DATABASE {quoted(self._catalog)} TO rewritten")
        self.execute("DETACH rewritten")
        self._connection.close()
        new.chmod(file.stat().st_mode)
        new.replace(file)
        self.connect()

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
        self._tables.schema = self.schema
        self._tables.forget()

    @override
    def columns(self, table: str) -> dict[str, Column]:
        return self._tables.columns(table)

    @override
    def schema_path(self, schema: str) -> str:
        # With the catalog: a schema may have the same name as the file.
        return f"{quoted(self._catalog)}.{quoted(schema)}"

    @override
    def alter(self, table: str, name: str, held: Column, column: Column) -> bool:
        if column.kind is ColumnType.INTEGER and held.type in types.LONG_UNSIGNED:
            column = column.widened(ColumnType.NUMBER)
        if column.kind is ColumnType.NUMBER:
            column = self.fitted(table, name, column, DIGITS)
        if held.type == types.NANOSECONDS and self.execute(
            f"SELECT 1 FROM {self.path(table)} "
            f"WHERE {quoted(name)} <> CAST({quoted(name)} AS TIMESTAMP) LIMIT 1"
        ):
            column = column.widened(ColumnType.TEXT)
        if self._is_bound(table):
            definition, values = self._definition(table)
            definition.retype(list(self.columns(table)).index(name), self.type_of(column))
            self._rebuild(table, definition, {**values, name: self.cast(name, held, column)})
            return True
        return super().alter(table, name, held, column)

    def _is_bound(self, table: str) -> bool:
        """Return whether a key, an index or the like stops DuckDB from altering types.

        Views do not matter.
        """
        is_table = self._tables.is_table(table)
        return bool(
            self.execute(
                "SELECT 1 FROM duckdb_constraints() "
                f"WHERE constraint_type <> 'NOT NULL' AND {is_table} "
                f"UNION ALL SELECT 1 FROM duckdb_indexes() WHERE {is_table} "
                f"UNION ALL SELECT 1 FROM duckdb_tables() WHERE {is_table} "
                "AND contains(sql, ' GENERATED ALWAYS AS') LIMIT 1"
            )
        )

    @override
    def add(self, table: str, columns: Columns) -> None:
        if len(columns) < _MANY_COLUMNS:
            super().add(table, columns)
            return
        definition, values = self._definition(table)
        definition.columns += [
            f"{quoted(name)} {self.type_of(column)}" for name, column in columns.items()
        ]
        self._rebuild(table, definition, values)

    def _definition(self, table: str) -> tuple[CreateTable, dict[str, str]]:
        """Return a table's definition, and the SQL of its values by column."""
        names = list(self.columns(table))
        definition = self._tables.definition(table, names)
        values = {
            name: quoted(name)
            for name, text in zip(names, definition.columns, strict=True)
            if " GENERATED ALWAYS AS" not in text
        }
        return definition, values

    def _rebuild(self, table: str, definition: CreateTable, values: Mapping[str, str]) -> None:
        """Create a table again, with SQL for its values by column; all else stays the same."""
        path, is_table = self.path(table), self._tables.is_table(table)
        indexes = self.execute(f"SELECT sql FROM duckdb_indexes() WHERE {is_table}")
        [(comment,)] = self.execute(f"SELECT comment FROM duckdb_tables() WHERE {is_table}")
        comments = self.comments(table)
        replacing = definition.replacing(
            path, spare=self.path(_SPARE), name=quoted(table), values=values
        )
        self.atomically([*replacing, *(sql for (sql,) in indexes)])
        if comment:
            self.execute(f"COMMENT ON TABLE {path} IS {literal(comment)}")
        self._tables.uncommented(table)
        self.comment(table, {name: text for name, text in comments.items() if text})

    @override
    def cast(self, name: str, held: Column, column: Column) -> str:
        cast = super().cast(name, held, column)
        if column.kind is ColumnType.TEXT and held.type in types.FLOATS:
            return f"regexp_replace({cast}, '\\.0$', '')"
        if column.kind is ColumnType.TEXT and held.kind is ColumnType.NUMBER and held.scale:
            # the text has as many digits after the point as the column, more than were sent
            return f"rtrim(rtrim({cast}, '0'), '.')"
        return cast

    @override
    def key(self, table: str, keys: Sequence[str], columns: Columns) -> None:
        """Check that rows do not share a key, and record it: an index would slow merges down."""
        comment = self._tables.comment(table)
        if comment == _comment(keys) or (comment and not comment.startswith(_KEY)):
            return
        path, names = self.path(table), listed(keys)
        # Rows that are older than the key may have nulls in its columns.
        whole = " AND ".join(f"{quoted(name)} IS NOT NULL" for name in keys)
        shared = f"SELECT 1 FROM {path} WHERE {whole} GROUP BY {names} HAVING count(*) > 1 LIMIT 1"
        if keys and self.execute(shared):
            held = (comment or "").removeprefix(_KEY)
            raise key_error(table, held.split(", ") if held else (), keys)
        self._note_key(table, keys)

    def _note_key(self, table: str, keys: Sequence[str]) -> None:
        comment = _comment(keys)
        value = literal(comment) if comment else "NULL"
        self.execute(f"COMMENT ON TABLE {self.path(table)} IS {value}")
        self._tables.created(table, comment)

    @override
    def deduplicate(self, table: str, keys: Sequence[str]) -> None:
        path, (row_id,) = self.path(table), self.row_id_of(table)
        self.execute(
            f"DELETE FROM {path} WHERE {row_id} NOT IN "
            f"(SELECT max({row_id}) FROM {path} GROUP BY {listed(keys)})"
        )

    @override
    def create(self, table: str, columns: Columns, keys: Sequence[str]) -> None:
        super().create(table, columns, keys)
        self._tables.created(table)
        if keys:
            self._note_key(table, keys)

    @override
    def create_like(self, table: str, copy: str, columns: Columns) -> None:
        self.execute(
            f"CREATE TABLE {self.path(copy)} AS "
            f"SELECT {listed(columns)} FROM {self.path(table)} WITH NO DATA"
        )
        self._tables.created(copy)

    @override
    def drop(self, table: str) -> None:
        super().drop(table)
        self._tables.dropped(table)

    @override
    def ensure_versions(self, view: str, table: str, history: str) -> None:
        super().ensure_versions(view, table, history)
        self._tables.created_view(view)

    @override
    def row_id_of(self, table: str) -> Sequence[str]:
        for name in self.columns(table):
            if name.casefold() in self.row_id:
                raise TableError(f"its column {name!r} hides the ids of its rows: rename it")
        return super().row_id_of(table)

    @override
    def stage(self, table: str, rows: pa.Table, columns: Columns) -> None:
        self._connection.register(_STAGE_VIEW, _typed(rows, columns))
        self._staged = len(rows)

    @override
    def staged(self) -> str:
        return _STAGE

    @override
    def insert(self, path: str, rows: pa.Table, columns: Columns) -> None:
        self._connection.register(_INSERTED_VIEW, _typed(rows, columns))
        self.insert_from(path, f"temp.{_INSERTED_VIEW}", columns)
        self._connection.unregister(_INSERTED_VIEW)

    @override
    def merge(
        self, table: str, columns: Columns, keys: Sequence[str], history: str | None = None
    ) -> Merged:
        merge, source = Merge(self, table, columns, keys), _STAGE
        # An insertion is half the work of a MERGE that matches nothing. Not EXISTS: in a subquery,
        # DuckDB takes `new.id` for a member of the column `new`.
        if not self._matches.get(table) and not self.execute(
            f"SELECT 1 FROM {source} AS new JOIN {merge.path} AS held ON {merge.same} LIMIT 1"
        ):
            [(inserted,)] = self.insert_from(merge.path, source, columns)
            return Merged(inserted, 0)
        if history:
            source = self.temporary(_CHANGED)
            self.discard(source)
            self.execute(f"CREATE TEMPORARY TABLE {source} AS {merge.difference(_STAGE)}")
            self.execute(keep_changed(self, table, history, keys, source))
        before = self.count(table)
        [(changed,)] = self.execute(merge.statement(source))
        inserted = self.count(table) - before
        self._matches[table] = inserted < self._staged  # a guess for the next batch
        return Merged(inserted, changed - inserted)

    @override
    def refused(self, table: str, rows: pa.Table, columns: Columns) -> dict[int, str]:
        constraints: list[Any] = self.execute(
            "SELECT constraint_type, constraint_text, expression, constraint_column_names "
            f"FROM duckdb_constraints() WHERE {self._tables.is_table(table)}"
        )
        self._connection.register(_STAGE_VIEW, probe.numbered(_typed(rows, columns)))
        return dict(self.execute(probe.query(_STAGE, table, columns, constraints)))

    @override
    def comments(self, table: str) -> dict[str, str | None]:
        return self._tables.comments(table)

    @override
    def comment(self, table: str, comments: Mapping[str, str]) -> None:
        super().comment(table, comments)
        self._tables.commented(table, comments)

    @override
    def commit(self) -> None:
        self._connection.commit()
        self._connection.unregister(_STAGE_VIEW)
        self._connection.begin()

    @override
    def rollback(self) -> None:
        with suppress(duckdb.TransactionException):  # a commit that failed has ended it
            self._connection.rollback()
        self._tables.forget()
        self._connection.unregister(_STAGE_VIEW)
        self._connection.begin()


def _comment(keys: Sequence[str]) -> str | None:
    return f"{_KEY}{', '.join(keys)}" if keys else None


def _typed(rows: pa.Table, columns: Columns) -> pa.Table:
    """Return rows with their numbers, which are texts, as decimals."""
    return retyped(
        rows,
        {
            name: pa.decimal128(DIGITS, column.scale)
            for name, column in columns.items()
            if column.kind is ColumnType.NUMBER
        },
    )


ADAPTER = DuckDBAdapter
