"""SQL for histories: statements that keep old versions of rows, and the view of all versions."""

# ruff: noqa: S608 - identifiers and literals are quoted, and nothing else is put into SQL

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from target_warehouse.columns import Column, ColumnType

if TYPE_CHECKING:
    from target_warehouse.warehouses.tables import Tables

BATCHED_AT, DELETED_AT = "_sdc_batched_at", "_sdc_deleted_at"
VALID_FROM, VALID_TO = "_sdc_valid_from", "_sdc_valid_to"
REPLACED_BECAUSE = "_sdc_replaced_because"
CHANGED, VANISHED = "changed", "vanished"
_ADDED = (VALID_FROM, VALID_TO, REPLACED_BECAUSE)
_NEW = "_sdc_new"
"""Alias that no column has: in subqueries, DuckDB takes `new.id` for a member of a column `new`."""


def insertion(
    adapter: Tables, history: str, *, until: str, because: str = VANISHED, of: str = ""
) -> str:
    """Return an INSERT statement for old versions; the caller appends its FROM clause.

    Args:
        adapter: Tables of the warehouse.
        history: Table of the versions.
        until: SQL of the end of their validity.
        because: Why they are replaced.
        of: SQL before the names of columns of the old versions, such as `held.`.
    """
    names = kept_columns(adapter, history)
    values = ", ".join(f"{of}{adapter.dialect.identifier(each)}" for each in [*names, BATCHED_AT])
    return (
        f"INSERT INTO {adapter.path(history)} ({adapter.dialect.identifiers([*names, *_ADDED])}) "
        f"SELECT {values}, {until}, {adapter.dialect.literal(because)} "
    )


def kept_columns(adapter: Tables, history: str) -> list[str]:
    """Return the columns that a history has in common with its table."""
    return [name for name in adapter.columns(history) if name not in _ADDED]


def keep_changed(adapter: Tables, table: str, history: str, keys: Sequence[str], new: str) -> str:
    """Return the statement that keeps the rows which are replaced by the rows in `new`."""
    until = f"new.{adapter.dialect.identifier(BATCHED_AT)}"
    return (
        insertion(adapter, history, until=until, because=CHANGED, of="held.")
        + f"FROM {new} AS new JOIN {adapter.path(table)} AS held ON {adapter.dialect.same(keys)}"
    )


def ensure_view(
    adapter: Tables, view: str, table: str, history: str, *, is_depended_on: bool = False
) -> bool:
    """Make `view` show all versions in a table and its history; return whether it was created.

    Current versions have no end. A view that is correct is not created again. In databases where
    views can be depended on, other views may read from it, and keep it if columns are added. There
    it converts the table's values to the types of the history, such as uuid to text.
    """
    quoted, listed = adapter.dialect.identifier, adapter.dialect.identifiers
    held, kept = adapter.columns(table), adapter.columns(history)
    wanted = {
        name: (kept if is_depended_on else held)[name].type
        for name in kept_columns(adapter, history)
        if name in held
    }
    current = {
        name: quoted(name) if type_ == held[name].type else f"CAST({quoted(name)} AS {type_})"
        for name, type_ in wanted.items()
    }
    current[VALID_FROM] = quoted(BATCHED_AT)
    current[VALID_TO] = f"CAST(NULL AS {adapter.types[ColumnType.TIMESTAMP]})"
    wanted |= dict.fromkeys((VALID_FROM, VALID_TO), held[BATCHED_AT].type)
    found = {name: column.type for name, column in adapter.columns(view).items()}
    if found == wanted:
        return False
    create = "CREATE OR REPLACE"
    if not is_depended_on or not found.items() <= wanted.items():
        create, found = "CREATE", {}
        adapter.execute(f"DROP VIEW IF EXISTS {adapter.path(view)}")
    names = list(found | wanted)  # new columns have to be the last
    values = ", ".join(f"{current[name]} AS {quoted(name)}" for name in names)
    adapter.execute(
        f"{create} VIEW {adapter.path(view)} AS SELECT {values} FROM {adapter.path(table)} "
        f"UNION ALL SELECT {listed(names)} FROM {adapter.path(history)}"
    )
    return True


def count_revived(
    adapter: Tables, source: str, table: str, history: str | None, keys: Sequence[str]
) -> int:
    """Count the rows in `source` that bring back a row that vanished or was marked as vanished."""
    quoted, same = adapter.dialect.identifier, adapter.dialect.same(keys, _NEW)
    found = "EXISTS (SELECT 1 FROM {} AS held WHERE {})"
    if history:
        because = f"{quoted(REPLACED_BECAUSE)} = {adapter.dialect.literal(VANISHED)}"
        held = adapter.columns(table)
        values = {key: _in_history(adapter, held[key], f"{_NEW}.{quoted(key)}") for key in keys}
        in_history = " AND ".join(f"held.{quoted(key)} = {values[key]}" for key in keys)
        vanished = found.format(adapter.path(history), f"{in_history} AND {because}")
        condition = f"{vanished} AND NOT {found.format(adapter.path(table), same)}"
    else:
        marked = f"{same} AND held.{quoted(DELETED_AT)} IS NOT NULL"
        marked = found.format(adapter.path(table), marked)
        condition = f"{_NEW}.{quoted(DELETED_AT)} IS NULL AND {marked}"
    [(count,)] = adapter.execute(f"SELECT COUNT(*) FROM {source} AS {_NEW} WHERE {condition}")
    return int(count)


def _in_history(adapter: Tables, column: Column, value: str) -> str:
    """Return the SQL of a key's value as the history has it, where types such as uuid are text."""
    text = adapter.types[ColumnType.TEXT]
    if column.kind is not ColumnType.TEXT or column.type.lower() == text.lower():
        return value
    return f"CAST({f'CAST({value} AS uuid)' if column.is_uuid else value} AS {text})"
