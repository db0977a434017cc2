"""The tables of a DuckDB file, from its catalog."""

# ruff: noqa: S608 - identifiers and literals are quoted, and nothing else is put into SQL

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from target_warehouse.columns import Column
from target_warehouse.warehouses.create_table import CreateTable, collated, definition_of
from target_warehouse.warehouses.dialect import literal, quoted
from target_warehouse.warehouses.duckdb import types


class Catalog:
    """Reads the tables of one schema.

    The catalog's functions go through all tables of the file. A load of thousands of streams calls
    them once: from then on it keeps the names itself.
    """

    def __init__(self, execute: Callable[[str], list[tuple[Any, ...]]], database: str) -> None:
        self.database = database
        self.schema = ""
        self._execute = execute
        self._comments: dict[str, str | None] = {}
        self._collated: set[str] = set()
        """Tables that may have columns with a collation."""
        self._views: set[str] = set()
        self._is_read = False
        self._described: dict[str, dict[str, str]] | None = None
        """Comments of columns by table; None until they are read."""

    @property
    def _here(self) -> str:
        """The condition for the objects of the schema in the catalog's functions."""
        return f"database_name = {literal(self.database)} AND schema_name = {literal(self.schema)}"

    def is_table(self, table: str) -> str:
        """Return the condition for a table in the functions that list tables and their parts."""
        return f"{self._here} AND table_name = {literal(table)}"

    def columns(self, table: str) -> dict[str, Column]:
        """Return the columns of a table or view."""
        self._read()
        if table in self._comments:
            path = literal(".".join(map(quoted, (self.database, self.schema, table))))
            rows = self._execute(
                'SELECT name, type, dflt_value IS NOT NULL, "notnull" '
                f"FROM pragma_table_info({path})"
            )
        elif table in self._views:  # the view's tables may have changed since
            rows = self._execute(
                "SELECT column_name, data_type, false, false FROM duckdb_columns() "
                f"WHERE {self.is_table(table)} ORDER BY column_index"
            )
        else:
            rows = []
        columns = {
            name: types.column_of(type_).in_table(is_filled=filled, is_required=required)
            for name, type_, filled, required in rows
        }
        if not columns or table not in self._collated:
            return columns
        definition = self.definition(table, columns)
        return dict(zip(columns, map(collated, columns.values(), definition.columns), strict=True))

    def definition(self, table: str, columns: Iterable[str]) -> CreateTable:
        """Return the definition of a table with these columns."""
        [(sql,)] = self._execute(f"SELECT sql FROM duckdb_tables() WHERE {self.is_table(table)}")
        return definition_of(table, sql.removesuffix(";"), list(columns))

    def comment(self, table: str) -> str | None:
        """Return the comment of a table."""
        self._read()
        return self._comments.get(table)

    def comments(self, table: str) -> dict[str, str | None]:
        """Return the comments of a table's columns."""
        if self._described is None:
            self._described = {}
            for name, column, comment in self._execute(
                "SELECT table_name, column_name, comment FROM duckdb_columns() "
                f"WHERE {self._here} AND comment IS NOT NULL"
            ):
                self._described.setdefault(name, {})[column] = comment
        described = self._described.get(table, {})
        return {column: described.get(column) for column in self.columns(table)}

    def commented(self, table: str, comments: Mapping[str, str]) -> None:
        """Record new comments of a table's columns."""
        if self._described is not None:
            self._described[table] = {**self._described.get(table, {}), **comments}

    def uncommented(self, table: str) -> None:
        """Record that a table's columns no longer have comments."""
        if self._described is not None:
            self._described.pop(table, None)

    def created(self, table: str, comment: str | None = None) -> None:
        """Record a new table and its comment."""
        self._comments[table] = comment

    def created_view(self, view: str) -> None:
        """Record a new view."""
        self._views.add(view)

    def dropped(self, table: str) -> None:
        """Record that a table no longer exists."""
        self._comments.pop(table, None)
        self.uncommented(table)

    def forget(self) -> None:
        """Read the names again when they are needed: the transaction that made some was undone."""
        self._is_read = False
        self._described = None

    def _read(self) -> None:
        if not self._is_read:
            tables = self._execute(
                "SELECT table_name, comment, contains(sql, ' COLLATE ') FROM duckdb_tables() "
                f"WHERE {self._here}"
            )
            self._comments = {name: comment for name, comment, _ in tables}
            self._collated = {name for name, _, is_collated in tables if is_collated}
            views = self._execute(f"SELECT view_name FROM duckdb_views() WHERE {self._here}")
            self._views = {view for (view,) in views}
            self._is_read = True
