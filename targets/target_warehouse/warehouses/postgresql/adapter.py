"""PostgreSQL, and what speaks its protocol."""

# ruff: noqa: S608 - identifiers and literals are quoted, and nothing else is put into SQL

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg.conninfo import conninfo_to_dict
from pyarrow import csv
from typing_extensions import override

from target_warehouse.columns import Column, ColumnType
from target_warehouse.warehouses.base import Adapter, Merged, WarehouseError
from target_warehouse.warehouses.dialect import SqlDialect, listed, literal, quoted

_STAGE = "staged_rows"
_TYPES = {
    ColumnType.BOOLEAN: "boolean",
    ColumnType.INTEGER: "bigint",
    ColumnType.NUMBER: "numeric",
    ColumnType.DATE: "date",
    ColumnType.TIMESTAMP: "timestamp with time zone",
    ColumnType.TIME: "time without time zone",
    ColumnType.TEXT: "text",
    # Not jsonb: that drops key order and repeated keys, and refuses \u0000 and the largest numbers.
    ColumnType.JSON: "json",
}
_KINDS = {type_: kind for kind, type_ in _TYPES.items()} | {
    "jsonb": ColumnType.JSON,
    "character varying": ColumnType.TEXT,
}
_NARROW = {
    "smallint": ColumnType.INTEGER,
    "integer": ColumnType.INTEGER,
    "real": ColumnType.NUMBER,
    "double precision": ColumnType.NUMBER,
    "timestamp without time zone": ColumnType.TIMESTAMP,
}
"""Types that hold less than the one we use for their kind, in tables that others made."""
_CONNECTION = {
    "application_name": "target-warehouse",
    "client_encoding": "utf8",
    "connect_timeout": "15",
    # a server that is gone without a word is noticed within a minute
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
}
"""What holds unless the URL says otherwise."""
_TRANSIENT = {
    psycopg.errors.SerializationFailure.sqlstate,
    psycopg.errors.DeadlockDetected.sqlstate,
    psycopg.errors.TooManyConnections.sqlstate,
    psycopg.errors.AdminShutdown.sqlstate,
    psycopg.errors.CrashShutdown.sqlstate,
    psycopg.errors.CannotConnectNow.sqlstate,
}
_MADE_BY_ANOTHER = (
    psycopg.errors.DuplicateSchema,
    psycopg.errors.DuplicateTable,
    psycopg.errors.DuplicateColumn,
    psycopg.errors.DuplicateObject,  # the type of a table's rows
    psycopg.errors.InternalError_,  # "tuple concurrently updated", of the catalog
)
_STAGE_BUFFERS = "32MB"  # a batch fits, which by default would be written to disk
_ROWS_AT_ONCE = 5_000
_BUFFER = 4 << 20  # bytes, or as many as the system allows
_CSV_SINCE = 180_000
"""Version of the server from which a CSV may have any text: before, `\\.` on a line ended it."""
_CSV = csv.WriteOptions(include_header=False)


class PostgreSQLAdapter(Adapter):
    """Copies rows as CSV: into a temporary table to be merged, or straight into the table."""

    types = _TYPES
    dialect = SqlDialect(63, reserved_columns=("tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"))
    batch_bytes = 24 << 20
    enforces_keys = True
    errors = (psycopg.Error,)
    data_errors = (
        psycopg.DataError,
        psycopg.IntegrityError,
        psycopg.errors.ProgramLimitExceeded,  # such as a key too long for an index
    )

    @override
    def connect(self) -> None:
        given = conninfo_to_dict(self._url)
        self._connection = psycopg.connect(self._url, **(_CONNECTION | given))  # type: ignore[arg-type] # all of libpq's
        _enlarge_buffer(self._connection.fileno())
        self._connection.autocommit = True  # what is set in a transaction may be undone with it
        self.execute("SET TIME ZONE 'UTC'")
        if self._is_postgresql:
            self.execute(f"SET temp_buffers = {literal(_STAGE_BUFFERS)}")
        self._connection.autocommit = False

    @override
    def use_schema(self) -> None:
        schema = self._wanted_schema
        if schema and not self.execute(
            f"SELECT 1 FROM pg_namespace WHERE nspname = {literal(schema)}"
        ):  # even IF NOT EXISTS needs the right to create one
            self.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")
        self.schema = schema or self.execute("SELECT current_schema()")[0][0]
        if self.schema is None:
            raise WarehouseError("the database has no default schema: set default_target_schema")

    @override
    def is_transient(self, error: Exception) -> bool:
        state = getattr(error, "sqlstate", None)
        if state is None:
            return isinstance(error, psycopg.OperationalError)
        return state.startswith("08") or state in _TRANSIENT or _is_made_by_another(error)

    @override
    def reconnect(self) -> None:
        if self._connection.closed:
            self.connect()

    @override
    def transaction_id(self) -> str | None:
        rows = self.execute("SELECT pg_current_xact_id()::text") if self._is_postgresql else []
        return rows[0][0] if rows else None

    @override
    def is_committed(self, marker: str) -> bool:
        while True:
            status = self.execute(f"SELECT pg_xact_status({literal(marker)}::xid8)")[0][0]
            self.commit()
            if status != "in progress":  # the server has not noticed yet that we were gone
                return bool(status == "committed")
            time.sleep(0.1)

    @override
    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        cursor = self._connection.execute(sql.encode())
        return cursor.fetchall() if cursor.description else []

    @override
    def explain(self, error: Exception) -> str:
        primary = error.diag.message_primary if isinstance(error, psycopg.Error) else None
        return primary or super().explain(error)

    @override
    def columns(self, table: str) -> dict[str, Column]:
        rows = self.execute(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
            f"WHERE attrelid = to_regclass({literal(self.path(table))}) "
            "AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
        )
        return {name: _column(type_) for name, type_ in rows}

    @override
    def is_narrower(self, existing: Column, wanted: Column) -> bool:
        bounded = existing.type.startswith(("numeric(", "character varying("))
        return existing.type in _NARROW or bounded or super().is_narrower(existing, wanted)

    @override
    def key(self, table: str, keys: Sequence[str]) -> None:
        path = self.path(table)
        rows = self.execute(
            "SELECT conname, attname FROM pg_constraint JOIN pg_attribute "
            "ON attrelid = conrelid AND attnum = ANY (conkey) "
            f"WHERE contype = 'p' AND conrelid = to_regclass({literal(path)})"
        )
        held = {name for _, name in rows}
        if held == set(keys):
            return
        for constraint in {constraint for constraint, _ in rows}:
            self.execute(f"ALTER TABLE {path} DROP CONSTRAINT {quoted(constraint)}")
        for name in held:
            self.execute(f"ALTER TABLE {path} ALTER COLUMN {quoted(name)} DROP NOT NULL")
        if keys:
            self.execute(f"ALTER TABLE {path} ADD PRIMARY KEY ({listed(keys)})")

    @override
    def stage(self, table: str, rows: pa.Table, columns: Mapping[str, Column]) -> None:
        self.execute(f"CREATE TEMPORARY TABLE {_STAGE} (LIKE {self.path(table)}) ON COMMIT DROP")
        self._copy(f"pg_temp.{_STAGE}", rows)

    @override
    def merge(self, table: str, columns: Mapping[str, Column], keys: Sequence[str]) -> Merged:
        names = listed(columns)
        compared = [
            # json has no equality
            f"{quoted(name)}::text" if columns[name].kind is ColumnType.JSON else quoted(name)
            for name in self.compared(columns, keys)
        ]
        old = ", ".join(f"old.{name}" for name in compared)
        new = ", ".join(f"excluded.{name}" for name in compared)
        update = ", ".join(f"{name} = excluded.{name}" for name in map(quoted, columns))
        merge = (
            f"INSERT INTO {self.path(table)} AS old ({names}) "
            f"SELECT {names} FROM pg_temp.{_STAGE} ON CONFLICT ({listed(keys)}) "
        ) + (
            f"DO UPDATE SET {update} WHERE ROW({old}) IS DISTINCT FROM ROW({new})"
            if compared
            else "DO NOTHING"
        )
        if not self._is_postgresql:
            self.execute(merge)
            return Merged(None, None)
        # A row that was only inserted has never been locked or deleted: its xmax is 0.
        ((inserted, changed),) = self.execute(
            f"WITH merged AS ({merge} RETURNING old.xmax = 0 AS is_new) "
            "SELECT count(*) FILTER (WHERE is_new), count(*) FROM merged"
        )
        return Merged(inserted, changed - inserted)

    @override
    def append(self, table: str, rows: pa.Table, columns: Mapping[str, Column]) -> None:
        self._copy(self.path(table), rows)

    @override
    def commit(self) -> None:
        self._connection.commit()

    @override
    def rollback(self) -> None:
        self._connection.rollback()

    @override
    def close(self) -> None:
        self._connection.close()

    @cached_property
    def _is_postgresql(self) -> bool:
        """Whether this is PostgreSQL 13 or newer itself, and not only its protocol."""
        functions = {"pg_current_xact_id", "pg_xact_status"}
        names = ", ".join(map(literal, functions))
        rows = self.execute(f"SELECT DISTINCT proname FROM pg_proc WHERE proname IN ({names})")
        return len(rows) == len(functions)

    def _copy(self, path: str, rows: pa.Table) -> None:
        copy = f"COPY {path} ({listed(rows.column_names)}) FROM STDIN"
        # The session is in UTC, and Arrow writes instants much faster without their zone.
        naive = [
            pa.field(field.name, pa.timestamp("us")) if pa.types.is_timestamp(field.type) else field
            for field in rows.schema
        ]
        parts = rows.cast(pa.schema(naive)).to_batches(_ROWS_AT_ONCE)
        with self._connection.cursor() as cursor:
            if self._connection.info.server_version < _CSV_SINCE and _ends_copy(rows):
                with cursor.copy(copy.encode()) as stream:
                    for part in parts:
                        columns = [column.cast(pa.string()).to_pylist() for column in part.columns]
                        for row in zip(*columns, strict=True):
                            stream.write_row(row)
                return
            with cursor.copy(f"{copy} (FORMAT csv)".encode()) as stream:
                for part in parts:
                    text = pa.BufferOutputStream()
                    csv.write_csv(part, text, _CSV)
                    stream.write(memoryview(text.getvalue()))


def _enlarge_buffer(descriptor: int) -> None:
    """Have a local socket take as much at once as one to another machine does.

    A server that has read it empty would wait until our thread has its turn again.
    """
    with socket.socket(fileno=os.dup(descriptor)) as connection:
        if connection.family is not socket.AF_UNIX:
            return
        with suppress(OSError):  # some systems refuse what others cut down
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)


def _is_made_by_another(error: Exception) -> bool:
    """Tell whether another load has just made the same schema, table or column."""
    if isinstance(error, psycopg.errors.UniqueViolation):
        return error.diag.schema_name == "pg_catalog"
    return isinstance(error, _MADE_BY_ANOTHER)


def _column(type_: str) -> Column:
    base = re.sub(r"\(.*?\)", "", type_)
    return Column(_KINDS.get(base) or _NARROW.get(base, ColumnType.TEXT), type=type_)


def _ends_copy(rows: pa.Table) -> bool:
    """Tell whether a text has a line that old servers take for the end of a CSV."""
    return any(
        pc.any(pc.match_substring(column, "\n\\.")).as_py()
        for column in rows.columns
        if pa.types.is_string(column.type)
    )


ADAPTER = PostgreSQLAdapter
