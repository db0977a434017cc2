"""The table that keeps old versions of a stream's rows, and the view of all versions."""

from __future__ import annotations

from target_warehouse.column_plan import ColumnPlan
from target_warehouse.columns import Column, ColumnType
from target_warehouse.table_names import TableNames
from target_warehouse.warehouses.base import Adapter
from target_warehouse.warehouses.history import REPLACED_BECAUSE, VALID_FROM, VALID_TO

_ADDED = {
    VALID_FROM: Column(ColumnType.TIMESTAMP),
    VALID_TO: Column(ColumnType.TIMESTAMP),
    REPLACED_BECAUSE: Column(ColumnType.TEXT),
}


class History:
    """Keeps the columns of a history equal to those of its table; the caller commits."""

    def __init__(self, adapter: Adapter, plan: ColumnPlan, names: TableNames) -> None:
        self._adapter = adapter
        self._plan = plan
        self._names = names
        self.is_on = False
        """Whether the setting names the stream: old versions of changed rows are kept."""

    @property
    def table(self) -> str:
        """The table of old versions; it may not exist yet."""
        return self._names.history(self._plan.table)

    def has_rows(self) -> bool:
        """Return whether the table exists and is not empty."""
        return bool(self._adapter.columns(self.table)) and not self._adapter.is_empty(self.table)

    def ensure(self) -> None:
        """Create the history, or add the columns of the stream's table to it."""
        self._adapter.ensure(self.table, {**self._plan.columns, **_ADDED}, ())

    def ensure_with_view(self) -> None:
        """Call `ensure`, and create the view of all versions or add the columns to it."""
        self.ensure()
        view = self._names.versions(self._plan.table)
        self._adapter.ensure_versions(view, self._plan.table, self.table)
