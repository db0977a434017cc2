"""The tables of the loader itself, such as `_runs`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from target_warehouse.arrow import ARROW_TYPES
from target_warehouse.columns import Column, Columns, ColumnType
from target_warehouse.warehouses.base import Adapter


class SystemTable:
    """A table of the loader itself, with columns such as `stream text, records integer`."""

    def __init__(self, name: str, columns: str) -> None:
        self.name = name
        self._kinds = {
            column: ColumnType(kind) for column, kind in map(str.split, columns.split(","))
        }

    def ensure(self, adapter: Adapter) -> Columns:
        """Create the table or add missing columns, and return its columns; the caller commits."""
        wanted = {column: Column(kind) for column, kind in self._kinds.items()}
        held = adapter.ensure(self.name, wanted, ())
        return {column: held[column] for column in wanted}

    def append(self, adapter: Adapter, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append rows, in which missing values are null; the caller commits."""
        schema = pa.schema([(column, ARROW_TYPES[kind]) for column, kind in self._kinds.items()])
        table = pa.Table.from_pylist(list(rows), schema)
        adapter.append(self.name, table, self.ensure(adapter))
