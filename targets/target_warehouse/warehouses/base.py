"""What a warehouse has to do for the loader, and the SQL that most of them share."""

# ruff: noqa: S608 - identifiers and literals are quoted here, and nothing else is put into SQL

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from target_warehouse.columns import Column, ColumnType
from target_warehouse.errors import in_a_line

if TYPE_CHECKING:
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
