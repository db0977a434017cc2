"""The adapter of PostgreSQL."""

# ruff: noqa: S608 - identifiers and literals are quoted, and nothing else is put into SQL

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

import psycopg
import pyarrow as pa
from typing_extensions import override

from target_warehouse.columns import Column, Columns, ColumnType
from target_warehouse.warehouses.base import Adapter, Merged, WarehouseError
from target_warehouse.warehouses.dialect import SqlDialect, listed, literal, quoted
from target_warehouse.warehouses.errors import key_error
from target_warehouse.warehouses.history import ensure_view, keep_changed
from target_warehouse.warehouses.merging import Merge
from target_warehouse.warehouses.postgresql import connection, copying, probe, types
from target_warehouse.warehouses.postgresql.catalog import VERSIONS, Catalog
from target_warehouse.warehouses.tables import ROWS_AT_ONCE

_STAGE = "staged_rows"
_STAGED = f"pg_temp.{_STAGE}"
_CHANGED = "changed_rows"
_STAGE_BUFFERS = "32MB"  # a batch fits into it; with the default, it would be written to disk
_MADE_BY_ANOTHER = (
    psycopg.errors.DuplicateSchema,
    psycopg.errors.DuplicateTable,
    psycopg.errors.DuplicateColumn,
    psycopg.errors.DuplicateObject,  # the row type of a table
    psycopg.errors.InternalError_,
)
_RETRIES = 4
"""Retries if another load creates an object of the same name at the same time."""
_SYNTAX, _UNSUPPORTED, _DEPENDENTS, _STATE = "42", "0A", "2B", "55"
"""Classes of errors whose details name objects and never show values."""

logger = logging.getLogger("target-warehouse")


class PostgreSQLAdapter(Adapter):
    """Copies rows as CSV: to a temporary table for a merge, or straight into the table."""

    types = types.TYPES
    dialect = SqlDialect(63, reserved_columns=("tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"))
    batch_bytes = 24 << 20
    enforces_keys = True
    schemas = "pg_namespace WHERE nspname"  # also those that the user has no right to
    row_id = ("tableoid", "ctid")
    errors = (psycopg.Error,)
    data_errors = (
        psycopg.DataError,
        psycopg.IntegrityError,
        psycopg.errors.ProgramLimitExceeded,  # such as a key too long for an index
        psycopg.errors.RaiseException,  # raised by a trigger
    )
    _stays_read_only = False

    @override
    def connect(self) -> None:
        self._connection = connection.opened(self._url)
        self._catalog = Catalog(self.execute)
        self._duplicates: Counter[str] = Counter()
        self._warned: set[str] = set()

    @override
    def use_schema(self) -> None:
        schema = self._wanted_schema
        if schema and len(schema.encode()) > self.dialect.name_limit:
            raise WarehouseError(
                "the setting default_target_schema is too long: PostgreSQL cuts names after "
                f"{self.dialect.name_limit} bytes"
            )
        if schema and not self.has_schema(schema):
            # even IF NOT EXISTS needs the right to create a schema
            self.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")
        self.schema = schema or self.execute("SELECT current_schema()")[0][0]
        if self.schema is None:
            raise WarehouseError("the database has no default schema: set default_target_schema")

    @override
    def tables(self, *, views: bool = True) -> list[str]:
        return self._catalog.tables(self.schema, views=views)

    @override
    def is_transient(self, error: Exception) -> bool:
        if self._stays_read_only and isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
            return False
        return connection.is_transient(error) or self._is_made_by_another(error)

    def _is_made_by_another(self, error: Exception) -> bool:
        """Return whether another load may just have made the same schema, table or column.

        If so, a second attempt finds the object. If the error repeats, the object is of another
        type, or the name itself is the cause.
        """
        if isinstance(error, psycopg.errors.UniqueViolation):
            return error.diag.schema_name == "pg_catalog"
        if not isinstance(error, _MADE_BY_ANOTHER):
            return False
        if "concurrently" in str(error):  # "tuple concurrently updated", about the catalog
            return True
        self._duplicates[str(error)] += 1
        return self._duplicates[str(error)] <= _RETRIES

    @override
    def reconnect(self) -> None:
        if not self._connection.closed:
            if self.execute("SHOW transaction_read_only") != [("on",)]:
                return
            # A person has set it; a server that is read-only may be the old primary of a failover.
            self._stays_read_only = bool(
                self.execute(
                    "SELECT 1 FROM pg_settings WHERE name = 'default_transaction_read_only' "
                    "AND source IN ('client', 'database', 'user', 'database user')"
                )
            )
            self._connection.close()  # another server may be the primary by now
        self._connection = connection.opened(self._url)

    @override
    def scrub(self) -> None:
        self._connection.autocommit = True
        try:
            for table in self.tables(views=False):
                if self._connection.info.server_version >= 180_000:
                    # the analysis of an empty table keeps its old statistics, which have values
                    self.execute(
                        "SELECT pg_clear_attribute_stats(schemaname, tablename, attname, inherited)"
                        " FROM pg_stats JOIN pg_namespace ON nspname = schemaname JOIN pg_class"
                        " ON relnamespace = pg_namespace.oid AND relname = tablename"
                        f" WHERE pg_class.oid = {literal(self.path(table))}::regclass"
                    )
                self.execute(f"VACUUM (FULL, ANALYZE) {self.path(table)}")
            # users without the right to rewrite the statistics only get a warning
            self.execute("VACUUM (FULL) pg_catalog.pg_statistic")
        finally:
            self._connection.autocommit = False

    @override
    def transaction_id(self) -> str | None:
        if not self._is_postgresql:
            return None
        [(marker,)] = self.execute("SELECT pg_current_xact_id_if_assigned()::text")
        return str(marker) if marker else None

    @override
    def is_committed(self, marker: str) -> bool:
        while True:
            status = self.execute(f"SELECT pg_xact_status({literal(marker)}::xid8)")[0][0]
            self.commit()
            if status != "in progress":  # the server has not detected the disconnect yet
                return bool(status == "committed")
            time.sleep(0.1)

    @override
    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        cursor = self._connection.execute(sql.encode())
        return cursor.fetchall() if cursor.description else []

    @override
    def batches(self, query: str) -> Iterator[list[tuple[Any, ...]]]:
        with self._connection.cursor(name="batches") as cursor:  # on the server
            cursor.execute(query.encode())
            while rows := cursor.fetchmany(ROWS_AT_ONCE):
                yield rows

    @override
    def explain(self, error: Exception) -> str:
        if not isinstance(error, psycopg.Error) or not error.diag.message_primary:
            return super().explain(error)
        classes = (_SYNTAX, _UNSUPPORTED, _DEPENDENTS, _STATE)
        details = error.diag.message_detail if str(error.sqlstate).startswith(classes) else None
        return " ".join(". ".join(filter(None, (error.diag.message_primary, details))).split())

    @override
    def parents(self) -> dict[str, str]:
        return self._catalog.parents(str(self.schema))

    @override
    def columns(self, table: str) -> dict[str, Column]:
        return self._catalog.columns(self.path(table))

    @override
    def ensure(self, table: str, columns: Columns, keys: Sequence[str]) -> dict[str, Column]:
        self._catalog.check(self.path(table), table, columns, keys)
        return super().ensure(table, columns, keys)

    @override
    def create_like(self, table: str, copy: str, columns: Columns) -> None:
        self.execute(
            f"CREATE TABLE {self.path(copy)} AS "
            f"SELECT {listed(columns)} FROM {self.path(table)} WITH NO DATA"
        )

    @override
    def alter(self, table: str, name: str, held: Column, column: Column) -> bool:
        try:
            with self._connection.transaction():  # a savepoint
                self.execute("SET LOCAL extra_float_digits = 1")  # less would round floats
                return super().alter(table, name, held, column)
        except psycopg.errors.FeatureNotSupported as error:
            if own_views := self._catalog.own_views(self.path(table)):
                for view in own_views:
                    self.execute(f"DROP VIEW {view}")  # `ensure_versions` creates it again
                return self.alter(table, name, held, column)
            if not types.refuses_what_it_cannot_hold(held, column):
                raise
            self._warn(
                f"the column {name!r} of the table {table!r} stays {held.type}, so records that "
                f"do not fit are rejected: {self.explain(error)}"
            )
            return False

    @override
    def differs(self, column: Column, one: str, other: str) -> str:
        if column.kind is ColumnType.JSON:  # json has no equality
            one, other = f"{one}::text", f"{other}::text"
        return super().differs(column, one, other)

    @override
    def ensure_versions(self, view: str, table: str, history: str) -> None:
        if ensure_view(self, view, table, history, is_depended_on=True):
            self.execute(f"COMMENT ON VIEW {self.path(view)} IS {literal(VERSIONS)}")

    @override
    def comments(self, table: str) -> dict[str, str | None]:
        return self._catalog.comments(self.path(table))

    def _warn(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            logger.warning(text)

    @override
    def cast(self, name: str, held: Column, column: Column) -> str:
        return types.cast(quoted(name), held, column)

    @override
    def key(self, table: str, keys: Sequence[str], columns: Columns) -> None:
        path = self.path(table)
        unique = self._catalog.unique_indexes(path)
        primary = next((index for index in unique if index.is_primary), None)
        if any(index.columns == set(keys) for index in unique) or (not keys and not primary):
            return
        held = primary.columns if primary else ()
        if primary and not primary.is_filled_by_database:
            self.execute(f"ALTER TABLE {path} DROP CONSTRAINT {quoted(primary.name)}")
            for name in primary.columns:
                self.execute(f"ALTER TABLE {path} ALTER COLUMN {quoted(name)} DROP NOT NULL")
            primary = None
        if keys:
            # Rows that are older than the key may have nulls in its columns.
            nulls = " OR ".join(f"{quoted(name)} IS NULL" for name in keys)
            has_nulls = self.execute(f"SELECT 1 FROM {path} WHERE {nulls} LIMIT 1")
            kind = "UNIQUE" if primary or has_nulls else "PRIMARY KEY"
            try:
                self.execute(f"ALTER TABLE {path} ADD {kind} ({listed(keys)})")
            except psycopg.errors.UniqueViolation as error:
                raise key_error(table, held, keys) from error

    @override
    def stage(self, table: str, rows: pa.Table, columns: Columns) -> None:
        if self._is_postgresql:
            # Must precede the session's first temporary table; PgBouncer does not carry it over.
            self.execute(
                f"SELECT set_config('temp_buffers', {literal(_STAGE_BUFFERS)}, true) "
                "WHERE pg_my_temp_schema() = 0"
            )
        # Not LIKE the table: it would copy NOT NULL of columns that the stream does not have.
        self.execute(
            f"CREATE TEMPORARY TABLE {_STAGE} ON COMMIT DROP AS "
            f"SELECT {listed(columns)} FROM {self.path(table)} WITH NO DATA"
        )
        self._copy(f"pg_temp.{_STAGE}", table, rows, columns)

    @override
    def merge(
        self, table: str, columns: Columns, keys: Sequence[str], history: str | None = None
    ) -> Merged:
        merge, source = Merge(self, table, columns, keys), _STAGED
        if history:
            source = self.temporary(_CHANGED)
            self.execute(
                f"CREATE TEMPORARY TABLE {_CHANGED} ON COMMIT DROP AS {merge.difference(_STAGED)}"
            )
            self.execute(f"ANALYZE {source}")
            self.execute(keep_changed(self, table, history, keys, source))
        action = "NOTHING"
        if merge.compared:
            action = f"{merge.update('excluded')} WHERE {merge.differs('excluded')}"
        upsert = (
            f"INSERT INTO {merge.path} AS held ({merge.listed}) SELECT {merge.listed} "
            f"FROM {source} ON CONFLICT ({listed(keys)}) DO {action}"
        )
        if not self._is_postgresql:
            self.execute(upsert)
            return Merged(None, None)
        expected = merge.count_difference(_STAGED) if self.may_drop_rows(table) else 0
        # A row that was only inserted has never been locked or deleted: its xmax is 0.
        is_new, new = "held.xmax = 0", 0
        if self._catalog.is_partitioned(merge.path):  # their rows have no xmax
            new = merge.count_missing(source)
            is_new = "false"
        [(inserted, changed)] = self.execute(
            f"WITH merged AS ({upsert} RETURNING {is_new} AS is_new) "
            "SELECT count(*) FILTER (WHERE is_new), count(*) FROM merged"
        )
        if changed < expected:
            # The triggers may have made new rows equal to those of the table.
            may_be_equal = self._catalog.has_triggers(merge.path, before_insert=True)
            ignored = merge.count_missing(_STAGED) if may_be_equal else expected - changed
            self.check_written(table, expected - ignored, expected)
        inserted += new
        return Merged(inserted, changed - inserted)

    @override
    def staged(self) -> str:
        return _STAGED

    @override
    def temporary(self, name: str) -> str:
        return f"pg_temp.{quoted(name)}"

    @override
    def optimize(self, name: str, path: str, columns: Iterable[str]) -> None:
        self.execute(f"ANALYZE {path}")  # nothing else counts the rows of a temporary table

    @override
    def insert(self, path: str, rows: pa.Table, columns: Columns) -> None:
        copying.copy(self._connection, path, rows)

    @override
    def value(self, value: object) -> str:
        sql = super().value(value)
        return f'{sql} COLLATE "C"' if isinstance(value, str) else sql

    @override
    def append(self, table: str, rows: pa.Table, columns: Columns) -> None:
        stored = self._copy(self.path(table), table, rows, columns)
        self.check_written(table, stored, len(rows))

    @override
    def refused(self, table: str, rows: pa.Table, columns: Columns) -> dict[int, str]:
        path = self.path(table)
        if not self._is_postgresql or self.may_drop_rows(table):  # it may also mend rows
            return {}
        found = probe.refused_lines(self._connection, path, self._for_jsonb(table, rows, columns))
        return {
            index: self.explain(error).replace(probe.NAME, table) for index, error in found.items()
        }

    @override
    def may_drop_rows(self, table: str) -> bool:
        return self._is_postgresql and self._catalog.has_triggers(self.path(table))

    @override
    def storable(self, text: str) -> str:
        if self._connection.info.parameter_status("server_encoding") in ("UTF8", "SQL_ASCII"):
            return text
        return "".join(each if each.isascii() else json.dumps(each)[1:-1] for each in text)

    @cached_property
    def _is_postgresql(self) -> bool:
        """Whether this is PostgreSQL 13 or newer, not only a database with its protocol."""
        functions = {"pg_current_xact_id", "pg_xact_status"}
        names = ", ".join(map(literal, functions))
        rows = self.execute(f"SELECT DISTINCT proname FROM pg_proc WHERE proname IN ({names})")
        return len(rows) == len(functions)

    def _copy(self, path: str, table: str, rows: pa.Table, columns: Columns) -> int:
        return copying.copy(self._connection, path, self._for_jsonb(table, rows, columns))

    def _for_jsonb(self, table: str, rows: pa.Table, columns: Columns) -> pa.Table:
        binary = [name for name, column in columns.items() if column.type == "jsonb"]
        rows, repaired = copying.for_jsonb(rows, binary)
        for name in repaired:
            self._warn(
                f"the column {name!r} of the table {table!r} is jsonb, which cannot hold NUL and "
                "lone surrogates: they were left out or replaced"
            )
        return rows


ADAPTER = PostgreSQLAdapter
