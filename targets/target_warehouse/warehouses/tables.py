"""Names, columns and types of a warehouse's tables, in SQL that most warehouses share."""

# ruff: noqa: S608 - identifiers and literals are quoted here, and nothing else is put into SQL

from __future__ import annotations

import abc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from attribution_elt.core.errors import in_a_line
from target_warehouse.columns import Column, Columns, ColumnType
from target_warehouse.warehouses.dialect import SqlDialect
from target_warehouse.warehouses.errors import TableError

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_AT_ONCE = 20_000
"""Rows that are read at once from the result of a query."""
MOMENTS: dict[type, ColumnType] = {
    datetime: ColumnType.TIMESTAMP,
    date: ColumnType.DATE,
    time: ColumnType.TIME,
}
"""Kinds of moments."""


class Tables(abc.ABC):
    """The tables of a schema; `Adapter` adds loads."""

    types: ClassVar[Mapping[ColumnType, str]]
    dialect: SqlDialect
    has_temporary_tables: ClassVar[bool] = True
    """Whether there are temporary tables; without them, a dry run cannot compare rows."""
    enforces_keys: ClassVar[bool] = False
    """Whether an append fails if the table already has the key."""
    errors: ClassVar[tuple[type[Exception], ...]]
    """Exceptions of the driver."""
    schema: str
    _connection: Any
    """The driver's connection."""

    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows."""
        rows: list[tuple[Any, ...]] = self._connection.execute(sql).fetchall()
        return rows

    def batches(self, query: str) -> Iterator[list[tuple[Any, ...]]]:
        """Yield the rows of a query in batches; no other statement may run before the end."""
        cursor = self._connection.execute(query)
        while rows := cursor.fetchmany(ROWS_AT_ONCE):
            yield rows

    def atomically(self, statements: Sequence[str]) -> list[tuple[Any, ...]]:
        """Run statements in one transaction; return the rows of the last one."""
        rows: list[tuple[Any, ...]] = []
        for statement in statements:
            rows = self.execute(statement)
        return rows

    @abc.abstractmethod
    def columns(self, table: str) -> dict[str, Column]:
        """Return the columns of a table in order; an empty dictionary if it does not exist."""

    def is_transient(self, error: Exception) -> bool:
        """Return whether a retry may succeed, perhaps on a new connection."""
        return False

    def explain(self, error: Exception) -> str:
        """Return the driver's message in one line, without the row's values if possible."""
        return in_a_line(error)

    def tables(self, *, views: bool = True) -> list[str]:
        """Return the names of the schema's tables, and of its views if wanted."""
        rows = self.execute(
            "SELECT table_name FROM information_schema.tables "
            f"WHERE table_schema = {self.dialect.literal(self.dialect.stored(self.schema))}"
            + ("" if views else " AND table_type = 'BASE TABLE'")
        )
        return [self.dialect.stored(name) for (name,) in rows]

    def planned(self, table: str, columns: Columns) -> dict[str, Column]:
        """Return the columns that `ensure` would give a table, and change nothing."""
        existing = self.columns(table)
        wider = {
            name: existing[name].widest(column) if name in existing else column
            for name, column in columns.items()
            if name not in existing or existing[name].is_narrower(existing[name].widest(column))
        }
        return existing | wider

    def ensure(self, table: str, columns: Columns, keys: Sequence[str]) -> dict[str, Column]:
        """Create the table, or add and widen its columns and set its key; return its columns."""
        existing = self.columns(table)
        if not existing:
            self.create(table, columns, keys)
            return self.columns(table)
        _check_required(table, {n: held for n, held in existing.items() if n not in columns})
        self.add(table, {name: columns[name] for name in columns if name not in existing})
        kept: dict[str, Column] = {}
        for name, column in columns.items():
            held = existing.get(name)
            if held is None:
                continue
            # Another load may have widened the column after this one read its type.
            wanted = held.widest(column)
            if held.is_narrower(wanted) and not self._is_altered(table, name, held, wanted):
                kept[name] = wanted
        self.key(table, keys, columns)
        return self.columns(table) | kept

    def _is_altered(self, table: str, name: str, held: Column, wanted: Column) -> bool:
        try:
            return self.alter(table, name, held, wanted)
        except self.errors as error:
            if self.is_transient(error):
                raise
            raise TableError(
                f"the column {name!r} of the table {table!r} is {held.type or held.kind} and has "
                f"to become {self.type_of(wanted)}: {self.explain(error)}"
            ) from error

    def create(self, table: str, columns: Columns, keys: Sequence[str]) -> None:
        """Create a table."""
        parts = [
            f"{self.dialect.identifier(name)} {self.type_of(column)}"
            for name, column in columns.items()
        ]
        if keys and self.enforces_keys:
            parts.append(f"PRIMARY KEY ({self.dialect.identifiers(keys)})")
        self.execute(f"CREATE TABLE {self.path(table)} ({', '.join(parts)})")

    def create_like(self, table: str, copy: str, columns: Columns) -> None:
        """Create an empty table with these columns of another table."""
        self.create(copy, columns, ())

    def add(self, table: str, columns: Columns) -> None:
        """Add columns to a table."""
        for name, column in columns.items():
            self.execute(
                f"ALTER TABLE {self.path(table)} "
                f"ADD COLUMN {self.dialect.identifier(name)} {self.type_of(column)}"
            )

    def alter(self, table: str, name: str, held: Column, column: Column) -> bool:
        """Change the type of a column, now defined as `held`, and keep its values.

        Return False if the column has to keep its type and refuses values that do not fit.
        """
        self.execute(
            f"ALTER TABLE {self.path(table)} ALTER COLUMN {self.dialect.identifier(name)} "
            f"TYPE {self.type_of(column)} USING {self.cast(name, held, column)}"
        )
        return True

    def fitted(self, table: str, name: str, column: Column, digits: int) -> Column:
        """Return the decimal column that also holds the present values, or a text column."""
        # not ABS: the smallest integer of 64 bits has no positive counterpart
        text = f"LTRIM(CAST({self.dialect.identifier(name)} AS VARCHAR), '-')"
        ((whole, fraction, rest),) = self.execute(
            f"SELECT MAX(LENGTH(SPLIT_PART({text}, '.', 1))), "
            f"MAX(LENGTH(RTRIM(SPLIT_PART({text}, '.', 2), '0'))), "
            f"MAX(TRANSLATE({text}, '0123456789.', '')) FROM {self.path(table)}"
        )
        if rest:  # such as an exponent, or "inf"
            return column.widened(ColumnType.TEXT)
        return column.sized(whole or 0, fraction or 0, digits)

    def cast(self, name: str, held: Column, column: Column) -> str:
        """Return the SQL that converts the values of a column to a wider type."""
        if column.kind is ColumnType.JSON:
            return f"to_json({self.dialect.identifier(name)})"
        return f"CAST({self.dialect.identifier(name)} AS {self.type_of(column)})"

    @abc.abstractmethod
    def key(self, table: str, keys: Sequence[str], columns: Columns) -> None:
        """Set the primary key of an existing table, if the warehouse enforces keys.

        `columns` are those that the stream fills.
        """

    def differs(self, column: Column, one: str, other: str) -> str:
        """Return the condition that two values of a column differ; nulls are values too."""
        return f"{one} IS DISTINCT FROM {other}"

    def day(self, instant: str) -> str:
        """Return the SQL of the UTC day of an instant."""
        return f"CAST({instant} AS DATE)"

    def value(self, value: object) -> str:
        """Return a claim's bound or an instant as SQL."""
        match value:
            case bool():
                return str(value).upper()
            case int() | Decimal():
                return format(value, "f")
            case datetime():
                text = value.astimezone(UTC).isoformat(" ")
            case _:
                text = str(value)
        kind = MOMENTS.get(type(value))
        literal = self.dialect.literal(text)
        return f"CAST({literal} AS {self.types[kind]})" if kind else literal

    def temporary(self, name: str) -> str:
        """Return the quoted name of a temporary table."""
        return f"temp.{self.dialect.identifier(name)}"

    def stage_aside(
        self,
        name: str,
        table: str,
        columns: Mapping[str, tuple[str, Column]],
        chunks: Iterable[pa.Table],
    ) -> str:
        """Create a temporary table for rows, and return its quoted name.

        `columns` maps the names of its columns to names and definitions of columns of `table`.
        """
        quoted, path = self.dialect.identifier, self.temporary(name)
        selected = ", ".join(
            f"CAST({quoted(of)} AS {self.type_of(column)}) AS {quoted(own)}"
            if column.is_narrow  # a view keeps it from becoming wider
            else f"{quoted(of)} AS {quoted(own)}"
            for own, (of, column) in columns.items()
        )
        self.discard(path)
        self.execute(
            f"CREATE TEMPORARY TABLE {path} AS "
            f"SELECT {selected} FROM {self.path(table)} WHERE 1 = 0"
        )
        for chunk in chunks:
            self.insert(path, chunk, {own: column for own, (_, column) in columns.items()})
        self.optimize(name, path, columns)
        return path

    def optimize(self, name: str, path: str, columns: Iterable[str]) -> None:  # noqa: B027 - few need it
        """Prepare a filled temporary table for joins on these columns."""

    def discard(self, path: str) -> None:
        """Drop a table that `stage_aside` created."""
        self.execute(f"DROP TABLE IF EXISTS {path}")

    @abc.abstractmethod
    def insert(self, path: str, rows: pa.Table, columns: Columns) -> None:
        """Insert rows into the table with this quoted name."""

    def insert_from(self, path: str, source: str, names: Iterable[str]) -> list[tuple[Any, ...]]:
        """Insert columns of `source` into the table with this quoted name."""
        listed = self.dialect.identifiers(names)
        return self.execute(f"INSERT INTO {path} ({listed}) SELECT {listed} FROM {source}")

    def may_drop_rows(self, table: str) -> bool:
        """Return whether a table has triggers, policies or the like that may ignore changes."""
        return False

    def check_written(self, table: str, written: int, expected: int) -> None:
        """Raise TableError if a statement has written fewer rows of a table than it should."""
        if written < expected:
            raise TableError(
                f"the table {table!r} ignored {expected - written} of {expected} rows: one of its "
                "triggers, rules, policies or constraints ignores changes without an error; "
                "remove it, or load into another table"
            )

    def check_gone(self, table: str, rows: str) -> None:
        """Raise TableError if rows that were deleted or marked, given as SQL, are still there."""
        if self.may_drop_rows(table):
            [(count,)] = self.execute(f"SELECT COUNT(*) {rows}")
            self.check_written(table, 0, int(count))

    def is_empty(self, table: str) -> bool:
        """Return whether a table has no rows."""
        return not self.execute(f"SELECT 1 FROM {self.path(table)} LIMIT 1")

    def count(self, table: str) -> int:
        """Return the number of rows of a table."""
        ((rows,),) = self.execute(f"SELECT count(*) FROM {self.path(table)}")
        return int(rows)

    def drop(self, table: str) -> None:
        """Drop a table if it exists."""
        self.execute(f"DROP TABLE IF EXISTS {self.path(table)}")

    def type_of(self, column: Column) -> str:
        """Return the warehouse's type of a column."""
        return self.types[column.kind].format(scale=column.scale)

    def path(self, table: str) -> str:
        """Return the quoted name of a table with its schema."""
        return f"{self.schema_path(self.schema)}.{self.dialect.identifier(table)}"

    def schema_path(self, schema: str) -> str:
        """Return the quoted name of a schema of the database."""
        return self.dialect.identifier(schema)


def _check_required(table: str, absent: Columns) -> None:
    """Raise TableError if a column that the stream does not have must not be null."""
    names = [name for name, held in absent.items() if held.is_required and not held.is_filled]
    if names:
        raise TableError(
            f"the table {table!r} has columns that are NOT NULL without a default and that "
            f"the stream does not have: {', '.join(map(repr, sorted(names)))}; give them a "
            "default, drop NOT NULL, or load into another schema"
        )
