"""SQL that merges staged rows into a table, for the databases that share it."""

# ruff: noqa: S608 - identifiers are quoted, and nothing else is put into SQL

from __future__ import annotations

from collections.abc import Sequence

from target_warehouse.columns import Columns
from target_warehouse.warehouses.tables import Tables

_LOAD_METADATA = {
    *("_sdc_extracted_at", "_sdc_received_at", "_sdc_batched_at"),
    *("_sdc_sequence", "_sdc_sync_started_at"),
}
"""Columns about a load, not about the record: rows that differ only in them are not updated."""


def compared(columns: Columns, keys: Sequence[str]) -> list[str]:
    """Return the columns that decide whether a row has changed: all but keys and metadata."""
    return [name for name in columns if name not in keys and name not in _LOAD_METADATA]


class Merge:
    """A merge of rows, with the alias `new`, into a table, with the alias `held`."""

    def __init__(self, adapter: Tables, table: str, columns: Columns, keys: Sequence[str]) -> None:
        self._adapter, self._columns, self._keys = adapter, columns, keys
        self._quoted = adapter.dialect.identifier
        self.path = adapter.path(table)
        self.listed = adapter.dialect.identifiers(columns)
        self.same = adapter.dialect.same(keys)
        """The condition that rows have the same key."""
        self.compared = compared(columns, keys)

    def differs(self, new: str = "new") -> str:
        """Return the condition that a row has changed."""
        conditions = [
            self._adapter.differs(self._columns[name], f"held.{name_}", f"{new}.{name_}")
            for name, name_ in zip(self.compared, map(self._quoted, self.compared), strict=True)
        ]
        return " OR ".join(conditions) or "1 = 0"

    def update(self, new: str = "new") -> str:
        """Return the part of a statement that updates a row."""
        names = [self._quoted(name) for name in self._columns if name not in self._keys]
        return f"UPDATE SET {', '.join(f'{name} = {new}.{name}' for name in names)}"

    def statement(self, source: str) -> str:
        """Return the MERGE statement for the rows in `source`."""
        values = ", ".join(f"new.{self._quoted(name)}" for name in self._columns)
        update = f"WHEN MATCHED AND ({self.differs()}) THEN {self.update()} "
        return (
            f"MERGE INTO {self.path} AS held USING {source} AS new ON {self.same} "
            f"{update if self.compared else ''}"
            f"WHEN NOT MATCHED THEN INSERT ({self.listed}) VALUES ({values})"
        )

    def difference(self, source: str) -> str:
        """Return the query of the rows in `source` that are new or have changed."""
        return (
            f"SELECT new.* FROM {source} AS new LEFT JOIN {self.path} AS held ON {self.same} "
            f"WHERE held.{self._quoted(self._keys[0])} IS NULL OR {self.differs()}"
        )

    def count_missing(self, source: str) -> int:
        """Count the rows in `source` whose keys the table does not have."""
        [(rows,)] = self._adapter.execute(
            f"SELECT count(*) FROM {source} AS new "
            f"WHERE NOT EXISTS (SELECT 1 FROM {self.path} AS held WHERE {self.same})"
        )
        return int(rows)

    def count_difference(self, source: str) -> int:
        """Count the rows in `source` that are new or have changed."""
        [(rows,)] = self._adapter.execute(
            f"SELECT count(*) FROM ({self.difference(source)}) AS different"
        )
        return int(rows)
