"""Erases people from the tables of a schema."""

# ruff: noqa: S608 - identifiers and literals are quoted, and nothing else is put into SQL

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from target_warehouse.columns import Column, ColumnType
from target_warehouse.suppressed import TABLE, people_in
from target_warehouse.table_names import TableNames
from target_warehouse.warehouses.base import TableError
from target_warehouse.warehouses.history import REPLACED_BECAUSE
from target_warehouse.warehouses.registry import connect
from target_warehouse.warehouses.transaction import transact

from attribution_elt.core.errors import OpsError
from attribution_elt.core.events import REJECTED, SUPPRESSED
from attribution_elt.core.people import ERASED, People, Personal, decoded, encoded
from attribution_elt.meltano.warehouse import explained


@dataclass(frozen=True)
class Stream:
    """A stream whose table may have people."""

    name: str
    personal: Personal


@dataclass(frozen=True)
class Place:
    """A schema of a warehouse.

    Attributes:
        title: name of the warehouse and the schema, without credentials.
        schema: name of the schema; None for the database's default.
        streams: the streams whose tables are there; none if other programs make the tables.
    """

    title: str
    url: str = field(repr=False)
    schema: str | None
    streams: tuple[Stream, ...] = ()


@dataclass
class Counts:
    """Rows of people, by table."""

    changed: Counter[str] = field(default_factory=Counter)
    removed: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        return self.changed.total() + self.removed.total()


class SchemaEraser:
    """Finds people in a schema, and erases them; `learn` adds their other ids.

    Raises:
        OpsError: the warehouse cannot be reached, or rows of a table have no ids.
    """

    def __init__(self, place: Place, people: People) -> None:
        self._people = people
        self._adapter = connect(place.url, place.schema)
        self._tables = self._adapter.tables(views=False)
        self._row_ids = {each: self._row_id(each) for each in self._tables}
        self._by_stream = {each.name: each.personal for each in place.streams}
        self._parents = self._adapter.parents()
        self._personal = self._personal_by_table()

    def _personal_by_table(self) -> dict[str, Personal]:
        """Return the personal properties of tables, of their history and of their partitions."""
        names = TableNames(self._adapter)
        found: dict[str, Personal] = {}
        for name, personal in self._by_stream.items():
            table = names.of_stream(name)
            if table in self._tables:
                found |= dict.fromkeys((table, names.history(table)), personal)
        inherited = {
            heir: found[table]
            for heir in self._parents
            for table in reversed(self._lineage(heir))
            if table in found
        }
        return found | inherited

    def _lineage(self, table: str) -> list[str]:
        """Return a table and the tables that it is a partition or another heir of."""
        tables = [table]
        while tables[-1] in self._parents:
            tables.append(self._parents[tables[-1]])
        return tables

    def _row_id(self, table: str) -> Sequence[str]:
        try:
            return self._adapter.row_id_of(table)
        except TableError as error:
            self._adapter.close()
            raise OpsError(f"people cannot be erased from the table {table!r}: {error}") from error

    def close(self) -> None:
        """Close the connection."""
        self._adapter.close()

    def learn(self) -> None:
        """Add the other ids of the people: keys of the rows that are about them."""
        for table in self._keyed:
            personal = self._personal[table]
            for row, left in self._found(table, set()):
                if left is None:
                    for name in personal.keys & personal.pii:
                        self._people.add_id(str(row[name]))

    def suppress(self) -> bool:
        """Keep the keyed hashes of the people in `_suppressed`; return whether it had some."""
        adapter = self._adapter

        def work() -> bool:
            new = sorted(self._people.pseudonyms - people_in(adapter))
            if new:
                now = datetime.now(UTC)
                TABLE.append(adapter, ({"person": each, "suppressed_at": now} for each in new))
            return len(new) < len(self._people.pseudonyms)

        return transact(adapter, work)

    def count(self) -> Counts:
        """Count the rows of the people."""
        counts = Counts()
        found: set[tuple[Any, ...]] = set()
        for table in self._tables:
            for _, left in self._found(table, found):
                (counts.removed if left is None else counts.changed)[table] += 1
        return counts

    def erase(self) -> Counts:
        """Erase the people; call `scrub` afterwards.

        The tables with personal keys come last and in one transaction. If the command is
        interrupted before, the next run learns all ids from them.
        """
        counts = Counts()
        keyed = [each for each in self._tables if each in self._keyed]
        groups = [*([each] for each in self._tables if each not in keyed), keyed]
        for group in groups:
            try:
                counted = transact(self._adapter, partial(self._erase, group))
            except self._adapter.data_errors:  # such as NOT NULL, or two names in a unique column
                counted = self._removed(group)
            counts.changed += counted.changed
            counts.removed += counted.removed
        return counts

    def scrub(self) -> None:
        """Rewrite all tables, so that no file has deleted rows, nor those of earlier loads."""
        self._adapter.rollback()  # the queries of the names of tables have begun a transaction
        self._adapter.scrub()

    @property
    def _keyed(self) -> list[str]:
        return [
            table
            for table, personal in self._personal.items()
            if personal.keys & personal.pii and table in self._tables
        ]

    def _removed(self, tables: Sequence[str]) -> Counts:
        """Remove the people's rows from tables whose constraints refuse the changes."""
        adapter = self._adapter
        try:
            return transact(adapter, partial(self._erase, tables, only_removes=True))
        except adapter.data_errors as error:
            names, why = ", ".join(map(repr, tables)), adapter.explain(error)
            raise OpsError(f"people cannot be erased from the table {names}: {why}") from None

    def _erase(self, tables: Iterable[str], *, only_removes: bool = False) -> Counts:
        adapter, counts = self._adapter, Counts()
        statements: list[str] = []
        found: set[tuple[Any, ...]] = set()
        for table in tables:
            columns, path = adapter.columns(table), adapter.path(table)
            because = {REPLACED_BECAUSE: ERASED} if REPLACED_BECAUSE in columns else {}
            row_id = ", ".join(self._row_ids[table])
            for row, left in self._found(table, found):
                only = f"({row_id}) = ({', '.join(map(self._literal, row['']))})"
                if left is None or only_removes:
                    statements.append(f"DELETE FROM {path} WHERE {only}")
                    counts.removed[table] += 1
                    continue
                changes = self._changes(columns, row, {**left, **because})
                statements.append(f"UPDATE {path} SET {changes} WHERE {only}")
                counts.changed[table] += 1
        adapter.atomically(statements)
        return counts

    def _found(
        self, table: str, known: set[tuple[Any, ...]]
    ) -> Iterator[tuple[dict[str, Any], dict[str, Any] | None]]:
        """Yield the rows with people, and the remaining part of each.

        The member `""` of a row has the values that identify it. Rows of `known` are left out, and
        those that are yielded are added to it.
        """
        if table == SUPPRESSED:
            return
        personal = self._personal.get(table, Personal())
        root = self._lineage(table)[-1]  # its query returns the rows of its partitions too
        for row in self._rows(table):
            values = {name: value for name, value in row.items() if name}
            if table == REJECTED:
                left = self._rejected(values)
            else:
                left = personal.erased(values, self._people)
            if left != values and (root, *row[""]) not in known:
                known.add((root, *row[""]))
                yield row, left

    def _rejected(self, row: dict[str, Any]) -> dict[str, Any] | None:
        """Return a rejected record without people; None if nothing is left."""
        personal = self._by_stream.get(row["stream"], Personal())
        text = personal.erased_text(row["record"], self._people)
        if text is None:
            return None
        return {**row, "record": text, "reason": self._people.cut(row["reason"])}

    def _columns(self, table: str) -> Mapping[str, Column]:
        return {
            name: column
            for name, column in self._adapter.columns(table).items()
            if not name.startswith("_sdc_")
        }

    def _rows(self, table: str) -> Iterator[dict[str, Any]]:
        adapter, columns = self._adapter, self._columns(table)
        quoted = adapter.dialect.identifier
        json_columns = [name for name, each in columns.items() if each.kind is ColumnType.JSON]
        text = adapter.types[ColumnType.TEXT]
        selected = ", ".join(
            f"CAST({quoted(name)} AS {text})" if name in json_columns else quoted(name)
            for name in columns
        )
        parts = self._row_ids[table]
        listed = ", ".join(parts)
        for rows in adapter.batches(f"SELECT {listed}, {selected} FROM {adapter.path(table)}"):
            for values in rows:
                row = dict(zip(columns, map(_searchable, values[len(parts) :]), strict=True))
                for name in json_columns:
                    row[name] = decoded(row[name])
                row[""] = values[: len(parts)]
                yield row

    def _literal(self, value: Any) -> str:
        return str(value) if isinstance(value, int) else self._adapter.dialect.literal(str(value))

    def _changes(
        self, columns: Mapping[str, Column], row: Mapping[str, Any], left: Mapping[str, Any]
    ) -> str:
        changes = []
        for name, value in left.items():
            if name in row and value == row[name]:
                continue
            column, text = columns[name], value
            lost = value is None or isinstance(row.get(name), _Binary)
            if column.kind is ColumnType.JSON:
                lost = lost or (column.is_narrow and isinstance(value, str))  # such as an array
                text = self._adapter.storable(encoded(value))
            new = "NULL" if lost else self._adapter.dialect.literal(text)
            changes.append(f"{self._adapter.dialect.identifier(name)} = {new}")
        return ", ".join(changes)


class _Binary(str):
    """The text in binary data, for searches: the data cannot be changed, only removed."""

    __slots__ = ()


def _searchable(value: Any) -> Any:
    if isinstance(value, bytes | memoryview):
        return _Binary(bytes(value).decode(errors="replace"))
    return value


@contextmanager
def open_schema(place: Place, people: People) -> Iterator[SchemaEraser]:
    """Connect to a schema.

    Raises:
        OpsError: the warehouse cannot be reached, or refuses a statement.
    """
    with explained(place.title), closing(SchemaEraser(place, people)) as schema:
        yield schema
