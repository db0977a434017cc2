"""The members of an adapter that the SQL of sweeps and histories uses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from target_warehouse.columns import Column, ColumnType
from target_warehouse.warehouses.dialect import SqlDialect

if TYPE_CHECKING:
    import pyarrow as pa


class Database(Protocol):
    """An adapter; `Adapter` documents each member."""

    @property
    def types(self) -> Mapping[ColumnType, str]:
        """The SQL type of each kind of column."""

    @property
    def dialect(self) -> SqlDialect:
        """The rules for quoting."""

    @property
    def has_temporary_tables(self) -> bool:
        """Whether temporary tables exist."""

    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows."""

    def atomically(self, statements: Sequence[str]) -> list[tuple[Any, ...]]:
        """Run statements in one transaction and return the rows of the last one."""

    def columns(self, table: str) -> dict[str, Column]:
        """Return the columns of a table."""

    def path(self, table: str) -> str:
        """Return the quoted name of a table with its schema."""

    def temporary(self, name: str) -> str:
        """Return the quoted name of a temporary table."""

    def stage_aside(
        self,
        name: str,
        table: str,
        columns: Mapping[str, tuple[str, Column]],
        chunks: Iterable[pa.Table],
    ) -> str:
        """Copy rows into a temporary table and return its quoted name."""

    def discard(self, path: str) -> None:
        """Drop a table that `stage_aside` created."""

    def value(self, value: object) -> str:
        """Return a claim's bound or an instant as SQL."""
