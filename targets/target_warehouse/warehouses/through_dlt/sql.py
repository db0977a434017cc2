"""SQL that dlt does not generate, in the dialects of its destinations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from target_warehouse.columns import Column
from target_warehouse.warehouses.through_dlt.dialect import dialect_of

_ALTER = {
    "databricks": "ALTER COLUMN {column} TYPE {type}",
    "mariadb": "MODIFY COLUMN {column} {type}",
    "mysql": "MODIFY COLUMN {column} {type}",
    "tsql": "ALTER COLUMN {column} {type}",
}
_STANDARD = "ALTER COLUMN {column} SET DATA TYPE {type}"
_INDEXED = 64  # number of characters of a text


def altered(dialect: str, table: str, column: str, type_: str) -> str:
    """Return the statement that changes the type of a column. Names are quoted already."""
    change = _ALTER.get(dialect, _STANDARD).format(column=column, type=type_)
    return f"ALTER TABLE {table} {change}"


def indexed(dialect: str, table: str, types: Mapping[str, str]) -> str | None:
    """Return the statement that indexes columns, by dlt's types; None if a merge needs no index.

    Without an index, MySQL and MariaDB compare each row of the table with each staged row.
    """
    if dialect not in {"mariadb", "mysql"}:
        return None
    parts = [
        column + (f"({_INDEXED})" if type_ == "text" else "") for column, type_ in types.items()
    ]
    return f"CREATE INDEX staged_keys ON {table} ({', '.join(parts)})"


def alter(
    client: Any,
    table: str,
    held: Column,
    stored: Mapping[str, Any],
    described: Mapping[str, Any],
) -> None:
    """Change the type of a column to the described one.

    dlt describes a type that it does not support as text, so `held`, which has the type's own name,
    decides whether the column has to change.
    """
    has_precision = (stored.get("precision") or 0) >= (described.get("precision") or 0)
    same = all(stored.get(name) == described.get(name) for name in ("data_type", "scale"))
    if same and has_precision and not held.is_narrow:
        return  # a user may have changed it by hand
    sql = client.sql_client
    type_ = client.type_mapper.to_destination_type(described, {"name": table})
    if not isinstance(type_, str):
        type_ = type_.compile(dialect=sql.dialect)  # a type of SQLAlchemy
    path, column = sql.make_qualified_table_name(table), sql.escape_column_name(described["name"])
    sql.execute_sql(altered(dialect_of(client), path, column, type_))


def index(client: Any, table: str, keys: Sequence[Mapping[str, Any]]) -> None:
    """Create the index that a merge needs, if any."""
    sql = client.sql_client
    types = {sql.escape_column_name(key["name"]): key["data_type"] for key in keys}
    path = sql.make_qualified_table_name(table)
    statement = indexed(dialect_of(client), path, types)
    if statement:
        sql.execute_sql(statement)
