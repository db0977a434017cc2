"""The SQL that dlt does not write, as the dialects want it."""

from __future__ import annotations

from collections.abc import Mapping

_ALTER = {
    "databricks": "ALTER COLUMN {column} TYPE {type}",
    "mariadb": "MODIFY COLUMN {column} {type}",
    "mysql": "MODIFY COLUMN {column} {type}",
    "tsql": "ALTER COLUMN {column} {type}",
}
_STANDARD = "ALTER COLUMN {column} SET DATA TYPE {type}"
_INDEXED = 64  # characters of a text


def altered(dialect: str, table: str, column: str, type_: str) -> str:
    """Return the statement that gives a column another type. Names are quoted already."""
    change = _ALTER.get(dialect, _STANDARD).format(column=column, type=type_)
    return f"ALTER TABLE {table} {change}"


def indexed(dialect: str, table: str, types: Mapping[str, str]) -> str | None:
    """Return the statement that indexes columns, by dlt's types; None if a merge needs no index.

    MySQL and MariaDB compare each row of the table with each staged one, but for an index of these.
    """
    if dialect not in {"mariadb", "mysql"}:
        return None
    parts = [
        column + (f"({_INDEXED})" if type_ == "text" else "") for column, type_ in types.items()
    ]
    return f"CREATE INDEX staged_keys ON {table} ({', '.join(parts)})"
