"""Plans the columns of a stream's table, and runs the statements that create and widen them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Mapping

import pyarrow as pa

from target_warehouse import names
from target_warehouse.arrow import are_held, conformed, decimal_size, uniform_numbers
from target_warehouse.columns import Column, ColumnType
from target_warehouse.warehouses.base import Adapter
from target_warehouse.warehouses.transaction import transact

_MONEY_SCALE = 2  # size of a decimal column that has no values yet


class ColumnPlan:
    """Maps a stream's properties to columns, and widens the table to hold their values."""

    def __init__(
        self,
        table: str,
        adapter: Adapter,
        metadata: Mapping[str, ColumnType],
        *,
        dry_run: bool = False,
    ) -> None:
        self.table = table
        self.columns: dict[str, Column] = {}
        """Columns of the table as the warehouse has them."""
        self.identifiers: dict[str, str] = {}
        """Columns by property."""
        self.keys: list[str] = []
        """Columns of the primary key."""
        self.on_change: Callable[[], None] = lambda: None
        """Called in the transaction that has changed the table's columns."""
        self._adapter = adapter
        self._metadata = metadata
        self._dry_run = dry_run
        self._key_properties: tuple[str, ...] = ()

    def prepare(self, kinds: Mapping[str, ColumnType | None], keys: Iterable[str]) -> None:
        """Create the table or adapt it to properties, with the key `keys`; the caller commits.

        A property without a kind does not change its column.
        """
        self._key_properties = tuple(keys)
        self.columns = self._adapter.columns(self.table)
        wanted = self._wanted(
            {name: kind or self.hint(name) or ColumnType.TEXT for name, kind in kinds.items()}
        )
        self.keys = list(dict.fromkeys(self.identifiers[key] for key in self._key_properties))
        self._ensure(wanted)

    def fit(self, rows: pa.Table, kinds: Mapping[str, ColumnType]) -> pa.Table:
        """Widen the table to hold these rows, and return them with the types of its columns.

        `rows` have the columns of `rename` and metadata.
        """
        wanted = self._wanted(kinds)
        rows = conformed(rows, {name: column.kind for name, column in wanted.items()})
        wanted = self._sized(wanted, rows)
        while any(self.columns.get(name) != column for name, column in wanted.items()):
            transact(self._adapter, functools.partial(self._ensure, wanted))
            # The values that the column already had may need digits that these rows need too.
            held = {name: self.columns[name] for name in wanted}
            rows = conformed(rows, {name: column.kind for name, column in held.items()})
            wanted = self._sized(held, rows)
        rows = conformed(rows, {name: self.columns[name].kind for name in wanted})
        return self._with_uniform_keys(rows, kinds)

    def _with_uniform_keys(self, rows: pa.Table, kinds: Mapping[str, ColumnType]) -> pa.Table:
        """Return rows in which the same number is the same key, where the key's column is text."""
        for name in self._key_properties:
            key = self.identifiers[name]
            if kinds.get(name) is ColumnType.NUMBER and self.columns[key].kind is ColumnType.TEXT:
                place = rows.column_names.index(key)
                rows = rows.set_column(place, key, uniform_numbers(rows[key]))
        return rows

    def rename(self, table: pa.Table, properties: Collection[str]) -> pa.Table:
        """Return a decoded table with its properties renamed to their columns."""
        self.identifiers = self._assigned(properties)
        return pa.table({self.identifiers[name]: table[name] for name in properties})

    def hint(self, name: str) -> ColumnType | None:
        """Return the kind of the existing column of a property that has no schema."""
        folded = name.casefold()  # only an equal name can have its column
        alike = [each for each in self.identifiers if each.casefold() == folded]
        column = self.columns.get(self._assigned([*alike, name])[name])
        return column.kind if column else None

    def kind(self, name: str) -> ColumnType:
        """Return the kind of a property's column."""
        return self.columns[self.identifiers[name]].kind

    def _wanted(self, kinds: Mapping[str, ColumnType]) -> dict[str, Column]:
        """Return the columns that hold their present values and properties of these kinds."""
        self.identifiers = self._assigned(kinds)
        columns = {self.identifiers[name]: kind for name, kind in kinds.items()}
        return {
            name: self.columns[name].widened(kind) if name in self.columns else self._new(kind)
            for name, kind in {**columns, **self._metadata}.items()
        }

    def _assigned(self, properties: Collection[str]) -> dict[str, str]:
        return names.assign_identifiers(
            properties,
            self._adapter.dialect,
            existing=self.columns,
            reserved=[*self._metadata, *self._adapter.dialect.reserved_columns],
            respell=self._key_properties,
        )

    def _new(self, kind: ColumnType) -> Column:
        limit = self._adapter.decimal_digits
        if kind is not ColumnType.NUMBER or limit is None:
            return Column(kind)
        return Column(kind).sized(0, _MONEY_SCALE, limit, self._adapter.decimal_step)

    def _sized(self, wanted: Mapping[str, Column], rows: pa.Table) -> dict[str, Column]:
        """Set the digits that decimal columns need, if the warehouse bounds decimals."""
        return {
            name: self._holding(column, rows[name]) if column.kind is ColumnType.NUMBER else column
            for name, column in wanted.items()
        }

    def _holding(self, column: Column, numbers: pa.ChunkedArray) -> Column:
        if not self._adapter.represents_exactly(numbers):
            return column.widened(ColumnType.TEXT)
        limit = self._adapter.decimal_digits
        if limit is None or are_held(numbers, limit, column.scale):
            return column
        return column.sized(*decimal_size(numbers), limit, self._adapter.decimal_step)

    def _ensure(self, wanted: Mapping[str, Column]) -> None:
        if self._dry_run:
            self.columns = self._adapter.planned(self.table, {**self.columns, **wanted})
            return
        self.columns = self._adapter.ensure(self.table, wanted, self.keys)
        self.on_change()


def decoded_as(kind: ColumnType | None, held: ColumnType) -> ColumnType:
    """Return the kind to which a property is decoded; the column's kind may be wider."""
    numeric = {ColumnType.BOOLEAN, ColumnType.INTEGER, ColumnType.NUMBER}
    return kind if held is ColumnType.TEXT and kind in numeric else held
