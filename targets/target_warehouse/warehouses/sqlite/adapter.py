"""The adapter of SQLite."""

# ruff: noqa: S608 - identifiers and literals are quoted, and nothing else is put into SQL

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
from typing_extensions import override

from target_warehouse.arrow import ARROW_TYPES, conformed
from target_warehouse.columns import Column, Columns
from target_warehouse.warehouses.base import Adapter, Merged, TableError, WarehouseError
from target_warehouse.warehouses.create_table import CreateTable, collated, definition_of
from target_warehouse.warehouses.dialect import STANDARD, listed, literal, quoted
from target_warehouse.warehouses.errors import key_error
from target_warehouse.warehouses.history import BATCHED_AT, CHANGED, DELETED_AT, insertion
from target_warehouse.warehouses.merging import Merge, compared
from target_warehouse.warehouses.sqlite import connection
from target_warehouse.warehouses.sqlite.functions import add_functions
from target_warehouse.warehouses.sqlite.values import (
    STRICT,
    TYPES,
    are_exact,
    column_of,
    converted,
    widened,
)
from target_warehouse.warehouses.tables import MOMENTS

_PRAGMAS = (
    "synchronous = FULL",  # a sync for each batch is cheap, and a state must not outlive its rows
    "cache_size = -65536",  # 64 MB, because keys arrive in any order
    "legacy_alter_table = ON",  # views survive when their table is replaced
)
_ROWS_AT_ONCE = 5_000
_ASIDE = "staged rows"
_TRIGGER = "kept by target-warehouse"
_KEY_AT_END = re.compile(r"PRIMARY\s+KEY\s*\(", re.IGNORECASE)


class SQLiteAdapter(Adapter):
    """Inserts rows straight into the table, in one transaction per batch.

    There are no schemas: the schema's name and two underscores are the prefix of a table's name.
    """

    types = TYPES
    dialect = STANDARD  # our own limit: SQLite has none
    batch_bytes = 16 << 20
    enforces_keys = True
    materialized = "MATERIALIZED "
    schemas = ""
    row_id = ("rowid", "_rowid_", "oid")  # names of the same number
    errors = (sqlite3.Error,)
    data_errors = (sqlite3.IntegrityError, sqlite3.DataError)

    @override
    def connect(self) -> None:
        self._file, self._patience = connection.location(self._url)
        self._staged: pa.Table = None
        self._updates = 0
        try:
            self._connection = sqlite3.connect(
                self._file,
                timeout=self._patience,
                isolation_level=None,
                check_same_thread=False,  # another thread loads than the one that connects
            )
        except sqlite3.Error as error:
            raise WarehouseError(f"{self._file}: {error}") from error
        try:
            self._prepare()
        except sqlite3.Error as error:
            self.close()
            raise WarehouseError(f"{self._file}: {self.explain(error)}") from error

    @override
    def use_schema(self) -> None:
        self.schema = self._wanted_schema or ""
        if "__" in f"{self.schema}_":
            raise WarehouseError(
                f"the setting default_target_schema is {self.schema!r}, but may not have two "
                "underscores in a row or one at its end: in SQLite it is a prefix of the table "
                "names, followed by two underscores"
            )
        self._prefix = f"{self.schema}__" if self.schema else ""

    def _prepare(self) -> None:
        self._connection.create_function("widened", 3, widened)
        self._connection.create_function("counted", 1, self._counted)
        add_functions(self._connection)
        for pragma in _PRAGMAS:
            self.execute(f"PRAGMA {pragma}")
        try:
            self.execute("PRAGMA journal_mode = WAL")  # so that others can read at the same time
        except sqlite3.OperationalError as error:
            # for example when two loads begin at the same time and both ask for it
            if not connection.is_locked(error):
                raise

    @override
    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        if not sql.startswith(("SELECT", "PRAGMA")):
            self._begin()
        return super().execute(sql)

    def _begin(self) -> None:
        # Not before there is something to write, because only one process at a time can write. But
        # then at once: a process that has begun to read cannot write after another has written.
        if not self._connection.in_transaction:
            self._connection.execute("BEGIN IMMEDIATE")

    @override
    def explain(self, error: Exception) -> str:
        if connection.is_locked(error):
            return f"another process has kept the file locked for {self._patience:g} s"
        return super().explain(error)

    @override
    def path(self, table: str) -> str:
        return quoted(self._prefix + table)

    @override
    def tables(self, *, views: bool = True) -> list[str]:
        kinds = "'table', 'view'" if views else "'table'"
        rows = self.execute(f"SELECT name FROM sqlite_master WHERE type IN ({kinds})")
        start, prefix = len(self._prefix), self._prefix.casefold()
        return [name[start:] for (name,) in rows if name.casefold().startswith(prefix)]

    @override
    def scrub(self) -> None:
        self._connection.execute("VACUUM")
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @override
    def row_id_of(self, table: str) -> Sequence[str]:
        path = self.path(table)
        columns = self.execute(f"PRAGMA table_info({path})")
        names = {name.casefold() for _, name, *_ in columns}
        for name in self.row_id:
            if name not in names:
                with contextlib.suppress(sqlite3.OperationalError):  # a table WITHOUT ROWID
                    self.execute(f"SELECT {name} FROM {path} LIMIT 0")
                    return [name]
        if keys := [quoted(name) for _, name, *_, key in columns if key]:
            return keys
        raise TableError(f"its columns {', '.join(self.row_id)} hide the numbers of its rows")

    @override
    def columns(self, table: str) -> dict[str, Column]:
        rows = self.execute(f"PRAGMA table_info({self.path(table)})")
        created = self.execute(
            f"SELECT sql FROM sqlite_master WHERE type = 'table' AND {self._is(table, 'name')}"
        )
        sql = "".join(text for (text,) in created)
        keys = [type_.upper() for _, _, type_, _, _, key in rows if key]
        # SQLite fills it with the number of the row; keys of the loader are at the end.
        is_row_id = keys == ["INTEGER"] and not _KEY_AT_END.search(sql)
        columns = {
            name: column_of(type_).in_table(
                is_filled=default is not None or bool(key and is_row_id),
                is_required=bool(required),
            )
            for _, name, type_, required, default, key in rows
        }
        if "COLLATE" not in sql.upper():
            return columns
        definition, names, _ = self._definition(table)
        texts = dict(zip(names, definition.columns, strict=True))
        return {name: collated(column, texts[name]) for name, column in columns.items()}

    @override
    def differs(self, column: Column, one: str, other: str) -> str:
        return f"{one} IS NOT {other}"

    @override
    def day(self, instant: str) -> str:
        return f"substr({instant}, 1, 10)"  # there are no dates: a cast returns the year

    @override
    def represents_exactly(self, numbers: pa.ChunkedArray) -> bool:
        return are_exact(numbers)

    @override
    def ensure(self, table: str, columns: Columns, keys: Sequence[str]) -> dict[str, Column]:
        self._begin()
        return super().ensure(table, columns, keys)

    @override
    def add(self, table: str, columns: Columns) -> None:
        try:
            super().add(table, columns)
        except sqlite3.OperationalError as error:
            if "unknown datatype" not in str(error):
                raise
            raise TableError(
                f"the table {table!r} is STRICT and cannot have a column that the stream needs: "
                f"{error}; use a table without STRICT"
            ) from error

    @override
    def alter(self, table: str, name: str, held: Column, column: Column) -> bool:
        definition, names, _ = self._definition(table)
        if definition.is_strict and self.type_of(column) not in STRICT:
            raise TableError(
                f"the column {name!r} of the table {table!r} is {held.type or 'of no type'} "
                f"and has to become {self.type_of(column)}, which a STRICT table cannot have: "
                "use a table without STRICT"
            )
        definition.retype(names.index(name), self.type_of(column))
        self._rebuild(table, definition, {name: self.cast(name, held, column)})
        return True

    @override
    def cast(self, name: str, held: Column, column: Column) -> str:
        return f"widened({quoted(name)}, {literal(held.kind)}, {literal(column.kind)})"

    @override
    def key(self, table: str, keys: Sequence[str], columns: Columns) -> None:
        definition, _, held = self._definition(table)
        if held == set(keys):
            return
        existing = self.columns(table)
        if held and all(existing[name].is_filled and name not in columns for name in held):
            if not keys or self._is_unique(table, keys):
                return
            definition.constraints.append(f"UNIQUE ({listed(keys)})")
        else:
            definition.rekey(keys)
        try:
            self._rebuild(table, definition, {})
        except sqlite3.IntegrityError as error:
            raise key_error(table, held, keys) from error

    def _definition(self, table: str) -> tuple[CreateTable, list[str], set[str]]:
        """Return a table's definition, the names of its columns and those of its key."""
        columns = self.execute(f"PRAGMA table_xinfo({self.path(table)})")
        [(sql,)] = self.execute(f"SELECT sql FROM sqlite_master WHERE {self._is(table, 'name')}")
        key = {name for _, name, _, _, _, place, _ in columns if place}
        names = [row[1] for row in columns]
        return definition_of(table, sql, names), names, key

    def _is_unique(self, table: str, keys: Sequence[str]) -> bool:
        rows = self.execute(
            "SELECT list.name, info.name FROM pragma_index_list"
            f"({literal(self._prefix + table)}) AS list, pragma_index_info(list.name) AS info "
            'WHERE list."unique" AND NOT partial'
        )
        indexes = {index: {name for each, name in rows if each == index} for index, _ in rows}
        return set(keys) in indexes.values()

    def _is(self, table: str, column: str) -> str:
        return f"{column} = {literal(self._prefix + table)} COLLATE NOCASE"

    def _rebuild(self, table: str, definition: CreateTable, values: Mapping[str, str]) -> None:
        """Create a table again, with SQL for values that change; all else stays the same."""
        path, spare = self.path(table), quoted("rebuilt by target-warehouse")
        attached = self.execute(
            "SELECT sql FROM sqlite_master WHERE type IN ('index', 'trigger') "
            f"AND sql IS NOT NULL AND {self._is(table, 'tbl_name')}"
        )
        all_values = {name: values.get(name, quoted(name)) for name in self.columns(table)}
        replacing = definition.replacing(path, spare=spare, name=path, values=all_values)
        self.atomically([*replacing, *(sql for (sql,) in attached)])

    @override
    def stage(self, table: str, rows: pa.Table, columns: Columns) -> None:
        self._staged = rows

    @override
    def merge(
        self, table: str, columns: Columns, keys: Sequence[str], history: str | None = None
    ) -> Merged:
        names, action = compared(columns, keys), "NOTHING"
        if names:
            values = {name: f"excluded.{quoted(name)}" for name in columns if name not in keys}
            values[names[0]] = f"counted({values[names[0]]})"
            update = ", ".join(f"{quoted(name)} = {value}" for name, value in values.items())
            old = ", ".join(f"old.{quoted(name)}" for name in names)
            new = ", ".join(f"excluded.{quoted(name)}" for name in names)
            action = f"UPDATE SET {update} WHERE ({old}) IS NOT ({new})"
        on_conflict = f"ON CONFLICT ({listed(keys)}) DO {action}"
        rows, self._staged, self._updates = self._staged, None, 0
        expected = before = 0
        if is_checked := self.may_drop_rows(table):
            before = self.count(table)
            source = self._aside(table, rows, columns)
            expected = Merge(self, table, columns, keys).count_difference(source)
            self.discard(source)
        with self._kept(table, history) if history else contextlib.nullcontext():
            changed = self._written(self.path(table), rows, self._held(table, columns), on_conflict)
        inserted = changed - self._updates
        self.check_written(table, changed, expected)
        if is_checked:
            self.check_written(table, self.count(table) - before, inserted)
        return Merged(inserted, self._updates)

    @override
    def is_empty(self, table: str) -> bool:
        """Return False for a merge into tables that may drop rows: only a merge notices it."""
        return super().is_empty(table) and not self.may_drop_rows(table)

    @override
    def may_drop_rows(self, table: str) -> bool:
        found = self.execute(
            f"SELECT 1 FROM sqlite_master WHERE {self._is(table, 'tbl_name')} "
            "AND (sql LIKE '%IGNORE%' OR sql LIKE '%REPLACE%')"
        )
        return bool(found)

    def _aside(self, table: str, rows: pa.Table, names: Iterable[str]) -> str:
        """Return the quoted name of a temporary table of these columns of rows."""
        held = self.columns(table)
        columns = {name: (name, held[name]) for name in names}
        return self.stage_aside(_ASIDE, table, columns, [rows.select(list(columns))])

    @contextlib.contextmanager
    def _kept(self, table: str, history: str) -> Iterator[None]:
        """Keep the old versions of rows that are updated within this context."""
        trigger = f"temp.{quoted(_TRIGGER)}"
        until = f"NEW.{quoted(BATCHED_AT)}"
        kept = insertion(self, history, until=until, because=CHANGED, of="OLD.")
        self.execute(f"DROP TRIGGER IF EXISTS {trigger}")
        self.execute(
            f"CREATE TEMPORARY TRIGGER {quoted(_TRIGGER)} BEFORE UPDATE ON main.{self.path(table)} "
            f"BEGIN {kept}; END"
        )
        yield
        self.execute(f"DROP TRIGGER {trigger}")

    def _counted(self, value: Any) -> Any:
        # SQLite does not report which rows were inserted and which were updated instead.
        self._updates += 1
        return value

    @override
    def append(self, table: str, rows: pa.Table, columns: Columns) -> None:
        is_checked = self.may_drop_rows(table)
        before = self.count(table) if is_checked else 0
        written = self._written(self.path(table), rows, self._held(table, columns))
        if is_checked:
            written = min(written, self.count(table) - before)
        self.check_written(table, written, len(rows))

    def _held(self, table: str, columns: Columns) -> Columns:
        self._begin()
        return {**columns, **self.columns(table)}  # another load may have widened the table

    def _written(self, path: str, rows: pa.Table, columns: Columns, on_conflict: str = "") -> int:
        """Insert rows, and return how many were written."""
        kinds = {name: columns[name].kind for name in rows.column_names}
        places = ", ".join("?" * len(kinds))
        sql = f"INSERT INTO {path} AS old ({listed(kinds)}) VALUES ({places}) {on_conflict}"
        written = 0
        for part in conformed(rows, kinds).to_batches(_ROWS_AT_ONCE):
            values = map(converted, part.columns, kinds.values())
            written += self._connection.executemany(sql, zip(*values, strict=True)).rowcount
        return written

    @override
    def staged(self) -> str:
        return f"temp.{quoted(_ASIDE)}"

    @override
    def revived(self, table: str, history: str | None, keys: Sequence[str]) -> int | None:
        names = [*keys, *({DELETED_AT} & set(self._staged.column_names))]
        path = self._aside(table, self._staged, names)
        count = super().revived(table, history, keys)
        self.discard(path)
        return count

    @override
    def optimize(self, name: str, path: str, columns: Iterable[str]) -> None:
        if names := listed(columns):
            index = quoted(f"{name} index")
            self.execute(f"CREATE INDEX temp.{index} ON {quoted(name)} ({names})")

    @override
    def insert(self, path: str, rows: pa.Table, columns: Columns) -> None:
        self._written(path, rows, columns)

    @override
    def value(self, value: object) -> str:
        kind = MOMENTS.get(type(value))
        if kind is None:
            return super().value(value)
        [text] = converted(pa.array([value], ARROW_TYPES[kind]), kind)
        return literal(text)


ADAPTER = SQLiteAdapter
