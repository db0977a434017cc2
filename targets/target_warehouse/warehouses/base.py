"""The operations that the loader needs of a warehouse, with SQL that most warehouses share."""

# ruff: noqa: S608 - identifiers and literals are quoted here, and nothing else is put into SQL

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from attribution_elt.core.errors import in_a_line
from target_warehouse.columns import Column, ColumnType
from target_warehouse.warehouses import history as versions
from target_warehouse.warehouses.dialect import SqlDialect
from target_warehouse.warehouses.errors import TableError, WarehouseError
from target_warehouse.warehouses.sweeping import Claimed, ClaimGroup, Sweep, Sweeper, sql_of

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "LOAD_METADATA",
    "Adapter",
    "ClaimGroup",
    "Claimed",
    "Merged",
    "Sweep",
    "TableError",
    "WarehouseError",
]

LOAD_METADATA = (
    "_sdc_extracted_at",
    "_sdc_received_at",
    "_sdc_batched_at",
    "_sdc_sequence",
    "_sdc_sync_started_at",
)
"""Columns about a load, not about the record: rows that differ only in them are not updated."""


@dataclasses.dataclass(frozen=True)
class Merged:
    """Numbers of rows that a merge has changed; None if the warehouse does not report them."""

    inserted: int | None
    updated: int | None

    def __add__(self, other: Merged) -> Merged:
        return Merged(
            _sum(self.inserted, other.inserted),
            _sum(self.updated, other.updated),
        )


class Adapter(abc.ABC):
    """A connection to a warehouse; `commit` ends each transaction.

    Callers pass names of tables and columns that the warehouse allows; the adapter quotes them.
    """

    types: ClassVar[Mapping[ColumnType, str]]
    dialect: SqlDialect
    batch_bytes: ClassVar[int]
    """Size of a batch, in bytes of input, that suits the warehouse."""
    decimal_digits: ClassVar[int | None] = None
    """Maximum number of digits of a decimal; columns then have a `scale`. None without a limit."""
    text_limit: ClassVar[int | None] = None
    """Maximum number of characters of a text; None without a limit."""
    decimal_step: ClassVar[int] = 1
    """Digits by which a `scale` grows: more than 1 where changing types is expensive."""
    enforces_keys: ClassVar[bool] = False
    """Whether an append fails if the table already has the key."""
    has_temporary_tables: ClassVar[bool] = True
    keeps_history: ClassVar[bool] = True
    """Whether `merge` can keep the versions that it updates."""
    has_dry_runs: ClassVar[bool] = True
    """Whether rows can be compared with a table without loading them."""
    errors: ClassVar[tuple[type[Exception], ...]]
    """Exceptions of the driver."""
    data_errors: ClassVar[tuple[type[Exception], ...]]
    """Exceptions of the driver that concern a row's value, not the warehouse."""

    schema: str

    def __init__(self, url: str, schema: str | None) -> None:
        """Prepare a connection, which `connect` opens."""
        self._url = url
        self._wanted_schema = schema

    @abc.abstractmethod
    def connect(self) -> None:
        """Connect to `_url`."""

    @abc.abstractmethod
    def use_schema(self) -> None:
        """Set `schema`: the given one, created if it is missing, or the database's default."""

    @abc.abstractmethod
    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows."""

    @abc.abstractmethod
    def columns(self, table: str) -> dict[str, Column]:
        """Return the columns of a table in order; an empty dictionary if it does not exist."""

    def loaded_columns(self, table: str) -> dict[str, Column]:
        """Return the columns of a table except those that the database fills if a load does not.

        The database fills columns that have a default or are generated.
        """
        return self.columns(table)

    @abc.abstractmethod
    def stage(self, table: str, rows: pa.Table, columns: Mapping[str, Column]) -> None:
        """Copy rows to where `merge` reads them; `columns` are those of `table` that they fill."""

    @abc.abstractmethod
    def merge(
        self,
        table: str,
        columns: Mapping[str, Column],
        keys: Sequence[str],
        history: str | None = None,
    ) -> Merged:
        """Merge the staged rows into `table`: insert new keys, update rows that differ.

        `history` takes the old versions of updated rows. It has the columns of `table`,
        `_sdc_valid_from` (the version's `_sdc_batched_at`), `_sdc_valid_to` (that of the new
        version) and `_sdc_replaced_because` ('changed').
        """

    def sweep(self, sweep: Sweep, permit: Callable[[Claimed], bool]) -> int:
        """Remove or mark the rows that a run has claimed but not delivered; return their number.

        A row vanishes if it is inside a claim, its `_sdc_deleted_at` is null, its `_sdc_batched_at`
        is before `started_at`, and no delivered key equals its key. The adapter counts first and
        changes nothing unless `permit` returns true for the counts. Removed rows go into
        `history`: `_sdc_valid_from` is the row's `_sdc_batched_at`, `_sdc_valid_to` is `swept_at`,
        `_sdc_replaced_because` is 'vanished'. Marked rows get `swept_at` as `_sdc_deleted_at` and
        `_sdc_batched_at`. The caller calls `sweep` after `merge`, in the same transaction, and
        commits. One statement covers all `equal` rows of a group.
        """
        return Sweeper(self, sweep).run(permit)

    def revived(self, table: str, history: str | None, keys: Sequence[str]) -> int | None:
        """Count the staged rows that bring back a vanished row; called between stage and merge.

        With `history`: staged keys that `history` has as 'vanished' and `table` does not have.
        Without: staged rows without `_sdc_deleted_at` whose row in `table` has one. None if the
        warehouse does not report the count.
        """
        source = self.staged()
        return (
            None if source is None else versions.count_revived(self, source, table, history, keys)
        )

    def staged(self) -> str | None:
        """Return the staged rows as SQL, with the table's column names, or None."""
        return None

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
        selected = ", ".join(f"{quoted(of)} AS {quoted(own)}" for own, (of, _) in columns.items())
        self.discard(path)
        self.execute(
            f"CREATE TEMPORARY TABLE {path} AS "
            f"SELECT {selected} FROM {self.path(table)} WHERE 1 = 0"
        )
        for chunk in chunks:
            self.insert(path, chunk, {own: column for own, (_, column) in columns.items()})
        return path

    def discard(self, path: str) -> None:
        """Drop a table that `stage_aside` created."""
        self.execute(f"DROP TABLE IF EXISTS {path}")

    @abc.abstractmethod
    def insert(self, path: str, rows: pa.Table, columns: Mapping[str, Column]) -> None:
        """Insert rows into the table with this quoted name."""

    def value(self, value: object) -> str:
        """Return a claim's bound or an instant as SQL."""
        return sql_of(value, self.dialect, self.types)

    def atomically(self, statements: Sequence[str]) -> list[tuple[Any, ...]]:
        """Run statements in one transaction; return the rows of the last one."""
        rows: list[tuple[Any, ...]] = []
        for statement in statements:
            rows = self.execute(statement)
        return rows

    def ensure_versions(self, view: str, table: str, history: str) -> None:
        """Make `view` show the rows of `table` and of its history; the caller commits.

        It has the columns of `table`, `_sdc_valid_from` and `_sdc_valid_to`, which is null for
        current versions. Call it after a column was added or widened.
        """
        versions.ensure_view(self, view, table, history)

    def comment(self, table: str, comments: Mapping[str, str]) -> None:  # noqa: B027 - optional
        """Set the comments of columns that changed, if the warehouse has comments."""

    @abc.abstractmethod
    def append(self, table: str, rows: pa.Table, columns: Mapping[str, Column]) -> None:
        """Insert rows without looking at keys."""

    @abc.abstractmethod
    def commit(self) -> None:
        """Commit the transaction and begin the next one."""

    @abc.abstractmethod
    def rollback(self) -> None:
        """Roll back to the last commit."""

    @abc.abstractmethod
    def close(self) -> None:
        """Close the connection without a commit."""

    def is_transient(self, error: Exception) -> bool:  # noqa: ARG002 - for subclasses
        """Return whether a retry may succeed, perhaps on a new connection."""
        return False

    def reconnect(self) -> None:  # noqa: B027 - optional
        """Connect again if the connection is lost."""

    def transaction_id(self) -> str | None:
        """Return an id of the current transaction for `is_committed`, or None."""
        return None

    def is_committed(self, marker: str) -> bool:
        """Return whether the transaction with this id was committed."""
        raise LookupError(marker)

    def explain(self, error: Exception) -> str:
        """Return the driver's message in one line, without the row's values if possible."""
        return in_a_line(error)

    def storable(self, text: str) -> str:
        """Return JSON text in which characters that the database cannot store are escaped."""
        return text

    def tables(self) -> list[str]:
        """Return the names of the schema's tables."""
        rows = self.execute(
            "SELECT table_name FROM information_schema.tables "
            f"WHERE table_schema = {self.dialect.literal(self.schema)}"
        )
        return [name for (name,) in rows]

    def planned(self, table: str, columns: Mapping[str, Column]) -> dict[str, Column]:
        """Return the columns that `ensure` would give a table, and change nothing."""
        existing = self.columns(table)
        wider = {
            name: existing[name].widest(column) if name in existing else column
            for name, column in columns.items()
            if name not in existing
            or self.is_narrower(existing[name], existing[name].widest(column))
        }
        return existing | wider

    def ensure(
        self, table: str, columns: Mapping[str, Column], keys: Sequence[str]
    ) -> dict[str, Column]:
        """Create the table, or add and widen its columns and set its key; return its columns."""
        existing = self.columns(table)
        if not existing:
            self.create(table, columns, keys)
            return self.columns(table)
        kept: dict[str, Column] = {}
        for name, column in columns.items():
            if name not in existing:
                self.execute(
                    f"ALTER TABLE {self.path(table)} "
                    f"ADD COLUMN {self.dialect.identifier(name)} {self.type_of(column)}"
                )
                continue
            held = existing[name]
            # Another load may have widened the column after this one read its type.
            wanted = held.widest(column)
            if self.is_narrower(held, wanted) and not self._is_altered(table, name, held, wanted):
                kept[name] = wanted
        self.key(table, keys)
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

    def create(self, table: str, columns: Mapping[str, Column], keys: Sequence[str]) -> None:
        """Create a table."""
        parts = [
            f"{self.dialect.identifier(name)} {self.type_of(column)}"
            for name, column in columns.items()
        ]
        if keys and self.enforces_keys:
            parts.append(f"PRIMARY KEY ({self.dialect.identifiers(keys)})")
        self.execute(f"CREATE TABLE {self.path(table)} ({', '.join(parts)})")

    def alter(self, table: str, name: str, held: Column, column: Column) -> bool:
        """Change the type of a column, now defined as `held`, and keep its values.

        Return False if the column has to keep its type and refuses values that do not fit.
        """
        self.execute(
            f"ALTER TABLE {self.path(table)} ALTER COLUMN {self.dialect.identifier(name)} "
            f"TYPE {self.type_of(column)} USING {self.cast(name, held, column)}"
        )
        return True

    def cast(self, name: str, held: Column, column: Column) -> str:  # noqa: ARG002 - for subclasses
        """Return the SQL that converts the values of a column to a wider type."""
        if column.kind is ColumnType.JSON:
            return f"to_json({self.dialect.identifier(name)})"
        return f"CAST({self.dialect.identifier(name)} AS {self.type_of(column)})"

    @abc.abstractmethod
    def key(self, table: str, keys: Sequence[str]) -> None:
        """Set the primary key of an existing table, if the warehouse enforces keys."""

    def represents_exactly(self, numbers: pa.ChunkedArray) -> bool:  # noqa: ARG002 - for subclasses
        """Return whether a number column returns these numbers, given as texts, without rounding.

        If it does not, the column becomes text. The caller checks `decimal_digits` itself.
        """
        return True

    def is_narrower(self, existing: Column, wanted: Column) -> bool:
        """Return whether a column cannot hold every value of the wanted column."""
        return existing.kind is not wanted.kind or existing.scale < wanted.scale

    def differs(self, column: Column, one: str, other: str) -> str:  # noqa: ARG002 - for subclasses
        """Return the condition that two values of a column differ; nulls are values too."""
        return f"{one} IS DISTINCT FROM {other}"

    def day(self, instant: str) -> str:
        """Return the SQL of the UTC day of an instant."""
        return f"CAST({instant} AS DATE)"

    @staticmethod
    def compared(columns: Mapping[str, Column], keys: Sequence[str]) -> list[str]:
        """Return the columns that decide whether a row has changed: all but keys and metadata."""
        return [name for name in columns if name not in keys and name not in LOAD_METADATA]

    def is_empty(self, table: str) -> bool:
        """Return whether a table has no rows."""
        return not self.execute(f"SELECT 1 FROM {self.path(table)} LIMIT 1")

    def count(self, table: str) -> int:
        """Return the number of rows of a table."""
        ((rows,),) = self.execute(f"SELECT count(*) FROM {self.path(table)}")
        return int(rows)

    def deduplicate(self, table: str, keys: Sequence[str]) -> None:  # noqa: B027 - optional
        """Leave one row of each key, in warehouses that do not enforce keys."""

    def replace(self, table: str, source: str) -> None:
        """Replace the rows of `table` by the rows of `source`, and drop `source`.

        The table itself stays, with its views and grants.
        """
        names = self.dialect.identifiers(self.columns(source))
        self.execute(f"DELETE FROM {self.path(table)}")
        self.execute(
            f"INSERT INTO {self.path(table)} ({names}) SELECT {names} FROM {self.path(source)}"
        )
        self.drop(source)

    def remove(
        self, table: str, column: str, least: int, history: tuple[str, datetime] | None = None
    ) -> None:
        """Delete the rows whose `column` is less than `least` or null.

        `history` is the table that takes them as vanished, and when they vanished.
        """
        name = self.dialect.identifier(column)
        rows = f"FROM {self.path(table)} WHERE {name} IS NULL OR {name} < {least}"
        statements = [f"DELETE {rows}"]
        if history:
            kept, moment = history
            names, until = versions.kept_columns(self, kept), self.value(moment)
            insertion = versions.insertion(
                self, kept, names, old="", until=until, because=versions.VANISHED
            )
            statements.insert(0, insertion + rows)
        self.atomically(statements)

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


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other
