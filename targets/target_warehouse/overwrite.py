"""The load method `overwrite`: loads new rows into a second table, then replaces the old rows."""

from __future__ import annotations

from collections.abc import Collection

from target_warehouse.errors import LoadError
from target_warehouse.table_loader import TableLoader
from target_warehouse.table_names import TableNames
from target_warehouse.warehouses.base import Adapter, WarehouseError
from target_warehouse.warehouses.transaction import transact


def make_aside(adapter: Adapter, names: TableNames, stream: str) -> str:
    """Create an empty table to load into, with the columns of the table to replace."""
    aside = names.aside(stream)
    adapter.drop(aside)
    held = adapter.columns(names.of_stream(stream))
    if columns := {name: column for name, column in held.items() if not column.is_filled}:
        adapter.create_like(names.of_stream(stream), aside, columns)
    return aside


def replace_all(adapter: Adapter, names: TableNames, tables: Collection[TableLoader]) -> None:
    """Replace the rows of the streams' tables by the loaded ones, all in one transaction.

    If the warehouse refuses it, all tables keep their rows.

    Raises:
        LoadError: the warehouse refuses it; all tables keep their rows.
    """
    current: TableLoader
    errors: tuple[type[Exception], ...] = (*adapter.errors, WarehouseError)

    def replace() -> None:
        nonlocal current
        for current in tables:
            current.replace(names.of_stream(current.stream))

    try:
        transact(adapter, replace)
    except errors as error:
        message = f"stream {current.stream!r}: {adapter.explain(error)}"
        current.tally.message = message
        raise LoadError(message) from error
    for table in tables:
        table.describe(names.of_stream(table.stream))
