"""What a warehouse has to do for the loader, and the SQL that most of them share."""

# ruff: noqa: S608 - identifiers and literals are quoted here, and nothing else is put into SQL

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from attribution_elt.core.errors import in_a_line
from target_warehouse.columns import Column, ColumnType

if TYPE_CHECKING:
    from datetime import datetime

    import pyarrow as pa

LOAD_METADATA = (
    "_sdc_extracted_at",
    "_sdc_received_at",
    "_sdc_batched_at",
    "_sdc_sequence",
    "_sdc_sync_started_at",
)
"""Columns that tell of a load, not of the record: a row of which only they differ is let be."""


@dataclasses.dataclass(frozen=True)
class Merged:
    """How many rows a merge changed; None where the warehouse does not tell."""

    inserted: int | None
    updated: int | None

    def __add__(self, other: Merged) -> Merged:
        return Merged(
            _sum(self.inserted, other.inserted),
            _sum(self.updated, other.updated),
        )


@dataclasses.dataclass(frozen=True)
class ClaimGroup:
    """Parts of a table that the tap has delivered completely.

    A row is inside if it equals one row of `equal` in all of that table's columns and lies in
    every range. Nulls are never inside.
    """

    equal: pa.Table
    """Values by column, of the Arrow types that `stage` takes. No columns: it matches any row."""
    ranges: Mapping[str, tuple[Any, Any]]
    """Bounds by column, `from` <= value < `to`: `int`, `Decimal`, `str`, `bool`, `date`, `time` or
    `datetime` in UTC; None where a bound is missing."""


@dataclasses.dataclass(frozen=True)
class Sweep:
    """Removal of the rows inside claims that a run has not delivered."""

    table: str
    keys: Sequence[str]
    columns: Mapping[str, Column]
    """All columns of the table, `_sdc_batched_at` and `_sdc_deleted_at` among them."""
    claims: Sequence[ClaimGroup]
    delivered: Iterable[pa.Table]
    """Delivered keys in chunks, with the columns `keys`; keys may repeat. Iterable repeatedly."""
    started_at: datetime
    """Start of the run: rows with a later `_sdc_batched_at` belong to other runs and stay."""
    swept_at: datetime
    history: str | None
    """Table that takes the removed rows; it has the columns of `table`, `_sdc_valid_from`,
    `_sdc_valid_to` and `_sdc_replaced_because`. None: rows stay and get `_sdc_deleted_at`."""


@dataclasses.dataclass(frozen=True)
class Claimed:
    """Numbers of live rows inside the claims of a sweep, before it."""

    live: int
    """Rows whose `_sdc_deleted_at` is null."""
    written: int
    """Those of them whose `_sdc_batched_at` is not before the start of the run."""
    vanished: int
    """Those of them that are older and were not delivered: the sweep would remove these."""


class WarehouseError(Exception):
    """The warehouse cannot be used; the message is for the user."""


class Adapter(abc.ABC):
    """A connection to a warehouse, in a transaction that `commit` ends.

    Tables and columns are named by identifiers that fit; quoting them is the adapter's business.
    """

    types: ClassVar[Mapping[ColumnType, str]]
    name_limit: ClassVar[int]
    """Bytes of an identifier, at most."""
    batch_bytes: ClassVar[int]
    """Size of a batch, in bytes of input, that suits the warehouse."""
    decimal_digits: ClassVar[int | None] = None
    """Digits of its decimals, where they are bounded; then a column has a `scale`."""
    text_limit: ClassVar[int | None] = None
    """Characters that a text may have in any case, where they are bounded."""
    decimal_step: ClassVar[int] = 1
    """Digits by which a `scale` grows: more than one where types are hard to change."""
    enforces_keys: ClassVar[bool] = False
    """Whether an append of a key that is there already fails."""
    errors: ClassVar[tuple[type[Exception], ...]]
    """What the driver raises."""
    data_errors: ClassVar[tuple[type[Exception], ...]]
    """What it raises when a value of a row is at fault, not the warehouse."""

    schema: str

    def __init__(self, url: str, schema: str | None) -> None:
        self._url = url
        self._wanted_schema = schema
        self.connect()

    @abc.abstractmethod
    def connect(self) -> None:
        """Connect to `_url`."""

    @abc.abstractmethod
    def use_schema(self) -> None:
        """Set `schema` to the wanted one, made if it is missing, or else to the database's own."""

    @abc.abstractmethod
    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows."""

    @abc.abstractmethod
    def columns(self, table: str) -> dict[str, Column]:
        """Return the columns of a table, in order; none if there is no such table."""

    @abc.abstractmethod
    def stage(self, table: str, rows: pa.Table, columns: Mapping[str, Column]) -> None:
        """Put rows where `merge` finds them. `columns` are those of `table` that they fill."""

    @abc.abstractmethod
    def merge(self, table: str, columns: Mapping[str, Column], keys: Sequence[str]) -> Merged:
        """Bring the staged rows into `table`: insert new keys, update rows that differ."""

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
        raise NotImplementedError

    def revived(self, table: str, history: str | None, keys: Sequence[str]) -> int | None:
        """Count the staged rows that bring a vanished row back; called between stage and merge.

        With `history`: staged keys that `history` has as 'vanished' and `table` does not have.
        Without: staged rows without `_sdc_deleted_at` whose row in `table` has one. None where the
        warehouse does not report it.
        """
        del table, history, keys
        return None

    @abc.abstractmethod
    def append(self, table: str, rows: pa.Table, columns: Mapping[str, Column]) -> None:
        """Insert rows as they are."""

    @abc.abstractmethod
    def commit(self) -> None:
        """Make what was done last, then begin anew."""

    @abc.abstractmethod
    def rollback(self) -> None:
        """Undo what was done since the last commit."""

    @abc.abstractmethod
    def close(self) -> None:
        """Close the connection; what is not committed is undone."""

    def is_transient(self, error: Exception) -> bool:  # noqa: ARG002 - some can tell
        """Tell whether the same may succeed later, perhaps on a new connection."""
        return False

    def reconnect(self) -> None:  # noqa: B027 - not every warehouse is behind a connection
        """Connect again if the connection is lost."""

    def transaction_id(self) -> str | None:
        """Return a name of the transaction at hand, if `is_committed` can look it up later."""
        return None

    def is_committed(self, marker: str) -> bool:
        """Tell whether a transaction, of which a lost connection left that open, was committed."""
        raise LookupError(marker)

    def explain(self, error: Exception) -> str:
        """Return the driver's message in one line, without the row at fault where it tells."""
        return in_a_line(error)

    def sanitize(self, name: str) -> str:
        """Put a name into the characters that identifiers may have; the same where it has them."""
        return name

    def tables(self) -> list[str]:
        """Return the names of the schema's tables."""
        rows = self.execute(
            "SELECT table_name FROM information_schema.tables "
            f"WHERE table_schema = {literal(self.schema)}"
        )
        return [name for (name,) in rows]

    def ensure(
        self, table: str, columns: Mapping[str, Column], keys: Sequence[str]
    ) -> dict[str, Column]:
        """Make the table have these columns, as wide, and this key; return all that it has."""
        existing = self.columns(table)
        if not existing:
            self.create(table, columns, keys)
            return self.columns(table)
        for name, column in columns.items():
            if name not in existing:
                self.execute(
                    f"ALTER TABLE {self.path(table)} "
                    f"ADD COLUMN {self.identifier(name)} {self.type_of(column)}"
                )
                continue
            held = existing[name]
            # another load may have widened it since ours looked
            wanted = held.widest(column)
            if self.is_narrower(held, wanted):
                self.alter(table, name, held, wanted)
        self.key(table, keys)
        return self.columns(table)

    def create(self, table: str, columns: Mapping[str, Column], keys: Sequence[str]) -> None:
        """Create a table."""
        parts = [
            f"{self.identifier(name)} {self.type_of(column)}" for name, column in columns.items()
        ]
        if keys and self.enforces_keys:
            parts.append(f"PRIMARY KEY ({listed(keys)})")
        self.execute(f"CREATE TABLE {self.path(table)} ({', '.join(parts)})")

    def alter(self, table: str, name: str, held: Column, column: Column) -> None:
        """Give a column that is there, as `held`, another type, and keep its values."""
        self.execute(
            f"ALTER TABLE {self.path(table)} ALTER COLUMN {quoted(name)} "
            f"TYPE {self.type_of(column)} USING {self.cast(name, held, column)}"
        )

    def cast(self, name: str, held: Column, column: Column) -> str:  # noqa: ARG002 - some look at it
        """Return the SQL that makes a column's values such as a wider one has."""
        if column.kind is ColumnType.JSON:
            return f"to_json({quoted(name)})"
        return f"CAST({quoted(name)} AS {self.type_of(column)})"

    @abc.abstractmethod
    def key(self, table: str, keys: Sequence[str]) -> None:
        """Make `keys` the key of a table that is there, where the warehouse has such a thing."""

    def represents_exactly(self, numbers: pa.ChunkedArray) -> bool:  # noqa: ARG002 - some cannot all
        """Tell whether its decimals show these numbers, sent as texts, to the digit.

        If not, their column becomes text. `decimal_digits` is looked at besides.
        """
        return True

    def is_narrower(self, existing: Column, wanted: Column) -> bool:
        """Tell whether a column does not hold everything that is wanted of it."""
        return existing.kind is not wanted.kind or existing.scale < wanted.scale

    @staticmethod
    def compared(columns: Mapping[str, Column], keys: Sequence[str]) -> list[str]:
        """Return the columns by which a row counts as changed: not when it was loaded."""
        return [name for name in columns if name not in keys and name not in LOAD_METADATA]

    def is_empty(self, table: str) -> bool:
        """Tell whether a table has no rows."""
        return not self.execute(f"SELECT 1 FROM {self.path(table)} LIMIT 1")

    def count(self, table: str) -> int:
        """Return how many rows a table has."""
        ((rows,),) = self.execute(f"SELECT count(*) FROM {self.path(table)}")
        return int(rows)

    def replace(self, table: str, source: str) -> None:
        """Put the rows of `source` in the place of those of `table`, and drop `source`.

        The table itself stays, and with it the views on it and the rights to it.
        """
        names = listed(self.columns(source))
        self.execute(f"DELETE FROM {self.path(table)}")
        self.execute(
            f"INSERT INTO {self.path(table)} ({names}) SELECT {names} FROM {self.path(source)}"
        )
        self.drop(source)

    def remove(self, table: str, column: str, least: int) -> None:
        """Remove the rows whose `column` is less than `least` or null."""
        name = self.identifier(column)
        self.execute(f"DELETE FROM {self.path(table)} WHERE {name} IS NULL OR {name} < {least}")

    def drop(self, table: str) -> None:
        """Drop a table if there is one."""
        self.execute(f"DROP TABLE IF EXISTS {self.path(table)}")

    def type_of(self, column: Column) -> str:
        """Return the warehouse's type of a column."""
        return self.types[column.kind].format(scale=column.scale)

    def path(self, table: str) -> str:
        """Return a table's quoted name with its schema."""
        return f"{self.identifier(self.schema)}.{self.identifier(table)}"

    def identifier(self, name: str) -> str:
        """Return a name as SQL."""
        return quoted(name)

    def fold_case(self, name: str) -> str:
        """Return the name that this one is the same as, where the warehouse looks past case."""
        return name


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


def quoted(name: str) -> str:
    """Return an identifier as SQL."""
    return '"' + name.replace('"', '""') + '"'


def listed(names: Iterable[str]) -> str:
    """Return identifiers as SQL, with commas."""
    return ", ".join(map(quoted, names))


def literal(text: str) -> str:
    """Return a text as SQL."""
    return "'" + text.replace("'", "''") + "'"
