"""Quotes names and texts in the SQL of a dlt destination."""

from __future__ import annotations

import re
from typing import Any

from sqlglot import exp
from typing_extensions import override

from target_warehouse.warehouses.dialect import SqlDialect

NAME_LIMIT = 63


class DltDialect(SqlDialect):
    """Dialect of a destination: dlt quotes names, sqlglot quotes texts."""

    def __init__(self, client: Any) -> None:
        super().__init__(NAME_LIMIT)
        self._quote = client.sql_client.escape_column_name
        self._name = dialect_of(client)
        self._folds_case = client.capabilities.casefold_identifier is not str
        self._has_parameters = hasattr(client.sql_client, "engine")

    @override
    def identifier(self, name: str) -> str:
        return str(self._quote(name))

    @override
    def literal(self, text: str) -> str:
        sql = exp.Literal.string(text).sql(self._name)
        # SQLAlchemy reads a word after a colon as a parameter, unless a backslash precedes it.
        return sql.replace(":", r"\:") if self._has_parameters else sql

    @override
    def sanitize(self, name: str) -> str:
        return plain(name, folded=self._folds_case)


def dialect_of(client: Any) -> str:
    """Return sqlglot's name for the SQL dialect of a destination."""
    dialect: str = client.capabilities.sqlglot_dialect or client.sql_client.dialect_name
    return "mysql" if dialect == "mariadb" else dialect


def plain(name: str, *, folded: bool) -> str:
    """Return a name with only characters that every destination accepts.

    `folded` is true for destinations that do not preserve case.
    """
    if folded:
        name = name.lower()
    name = re.sub(r"\W", "_", name, flags=re.ASCII)
    return re.sub(r"^_dlt|^(?=\d)", "_", name)  # names that begin with `_dlt` are reserved for dlt
