"""The operations that the loader requires of a warehouse, with SQL that most warehouses share."""

# ruff: noqa: S608 - identifiers and literals are quoted here, and nothing else is put into SQL

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from target_warehouse.columns import Columns
from target_warehouse.warehouses import history as versions
from target_warehouse.warehouses.errors import TableError, WarehouseError
from target_warehouse.warehouses.sweeping import Claimed, ClaimGroup, Sweep, TableSweep
from target_warehouse.warehouses.tables import Tables

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Adapter", "ClaimGroup", "Claimed", "Merged", "Sweep", "TableError", "WarehouseError"]


@dataclasses.dataclass(frozen=True)
class Merged:
    """Numbers of rows that a merge has changed; None if the warehouse does not report them."""

    inserted: int | None
    updated: int | None

    def __add__(self, other: Merged) -> Merged:
        pairs = zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)
        return Merged(*(None if None in pair else sum(pair) for pair in pairs))


class Adapter(Tables):
    """A connection to a warehouse; `commit` ends each transaction.

    Callers pass names of tables and columns that the warehouse allows; the adapter quotes them.
    """

    batch_bytes: ClassVar[int]
    """Size of a batch, in bytes of input, that suits the warehouse."""
    decimal_digits: ClassVar[int | None] = None
    """Maximum number of digits of a decimal; columns then have a `scale`. None without a limit."""
    text_limit: ClassVar[int | None] = None
    """Maximum number of characters of a text; None without a limit."""
    decimal_step: ClassVar[int] = 1
    """Digits by which a `scale` grows: more than 1 where changing types is expensive."""
    keeps_history: ClassVar[bool] = True
    """Whether `merge` can keep the versions that it updates."""
    materialized: ClassVar[str] = ""
    """Keyword of a common table expression that is to be computed once, if it needs one."""
    schemas: ClassVar[str] = "information_schema.schemata WHERE schema_name"
    """The catalog of schemas, and its column of names; "" in databases without schemas."""
    row_id: ClassVar[Sequence[str]] = ()
    """Pseudo-columns that identify a row within a transaction; none if the warehouse has none."""
    data_errors: ClassVar[tuple[type[Exception], ...]]
    """Exceptions of the driver that concern a row's value, not the warehouse."""

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
    def stage(self, table: str, rows: pa.Table, columns: Columns) -> None:
        """Copy rows to where `merge` reads them; `columns` are those of `table` that they fill."""

    @abc.abstractmethod
    def merge(
        self, table: str, columns: Columns, keys: Sequence[str], history: str | None = None
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
        return TableSweep(self, sweep).run(permit)

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
        """Return a query of the staged rows, with the table's column names, or None."""
        return None

    def ensure_versions(self, view: str, table: str, history: str) -> None:
        """Make `view` show the rows of `table` and of its history; the caller commits.

        It has the columns of `table`, `_sdc_valid_from` and `_sdc_valid_to`, which is null for
        current versions. Call it after a column was added or widened.
        """
        versions.ensure_view(self, view, table, history)

    def comments(self, table: str) -> dict[str, str | None]:
        """Return the comments of a table's columns; none where the warehouse has no comments."""
        return {}

    def comment(self, table: str, comments: Mapping[str, str]) -> None:
        """Set the comments of columns that changed, if the warehouse has comments."""
        held = self.comments(table)
        for name, text in comments.items():
            if name in held and held[name] != text:
                self.execute(
                    f"COMMENT ON COLUMN {self.path(table)}.{self.dialect.identifier(name)} "
                    f"IS {self.dialect.literal(text)}"
                )

    def append(self, table: str, rows: pa.Table, columns: Columns) -> None:
        """Insert rows without looking at keys."""
        self.insert(self.path(table), rows, columns)

    def refused(
        self,
        table: str,
        rows: pa.Table,
        columns: Columns,
    ) -> dict[int, str]:
        """Return rows that `table` refuses, perhaps not all, by index with reasons; keep none."""
        return {}

    def commit(self) -> None:
        """Commit the transaction and begin the next one."""
        self._connection.commit()

    def rollback(self) -> None:
        """Roll back to the last commit."""
        self._connection.rollback()

    def close(self) -> None:
        """Close the connection without a commit."""
        self._connection.close()

    def reconnect(self) -> None:
        """Connect again if the connection is lost."""

    def has_schema(self, schema: str) -> bool:
        """Return whether the database has a schema; true in databases without schemas."""
        name = self.dialect.literal(self.dialect.stored(schema))
        return not self.schemas or bool(self.execute(f"SELECT 1 FROM {self.schemas} = {name}"))

    def transaction_id(self) -> str | None:
        """Return an id of the current transaction for `is_committed`; None if it wrote nothing."""
        return None

    def is_committed(self, marker: str) -> bool:
        """Return whether the transaction with this id was committed."""
        raise LookupError(marker)

    def storable(self, text: str) -> str:
        """Return JSON text in which characters that the database cannot store are escaped."""
        return text

    def scrub(self) -> None:
        """Rewrite all tables, so that no file has deleted rows; called between transactions."""

    def row_id_of(self, table: str) -> Sequence[str]:
        """Return the SQL of the values that identify a row of a table within a transaction.

        Raises:
            TableError: the table has no such values.
        """
        return self.row_id

    def parents(self) -> dict[str, str]:
        """Return the tables whose rows are also rows of another table, with this other table."""
        return {}

    def represents_exactly(self, numbers: pa.ChunkedArray) -> bool:
        """Return whether a number column returns these numbers, given as texts, without rounding.

        If it does not, the column becomes text. The caller checks `decimal_digits` itself.
        """
        return True

    def deduplicate(self, table: str, keys: Sequence[str]) -> None:
        """Leave one row of each key, in warehouses that do not enforce keys."""

    def replace(self, table: str, source: str) -> None:
        """Replace the rows of `table` by the rows of `source`, and drop `source`.

        The table itself stays, with its views and grants.
        """
        names, path = self.dialect.identifiers(self.columns(source)), self.path(table)
        self.atomically(
            [
                f"DELETE FROM {path} WHERE 1 = 1",  # some warehouses demand a condition
                f"INSERT INTO {path} ({names}) SELECT {names} FROM {self.path(source)}",
            ]
        )
        if self.may_drop_rows(table):
            wanted = self.count(source)
            self.check_written(table, wanted - abs(self.count(table) - wanted), wanted)
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
            statements.insert(0, versions.insertion(self, kept, until=self.value(moment)) + rows)
        self.atomically(statements)
        self.check_gone(table, rows)
