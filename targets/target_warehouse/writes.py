"""The audit table `_writes`: the writes that targets sent to vendors, and their outcomes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import pyarrow as pa

from attribution_elt.core import dates
from attribution_elt.core.events import WRITES
from target_warehouse.columns import Column, ColumnType
from target_warehouse.warehouses.registry import connect
from target_warehouse.warehouses.transaction import transact

_KINDS = {
    "run_id": ColumnType.TEXT,
    "target": ColumnType.TEXT,
    "key": ColumnType.TEXT,
    "wish": ColumnType.JSON,
    "before": ColumnType.TEXT,
    "after": ColumnType.TEXT,
    "outcome": ColumnType.TEXT,
    "reason": ColumnType.TEXT,
    "http_status": ColumnType.INTEGER,
    "attempt": ColumnType.INTEGER,
    "dry_run": ColumnType.BOOLEAN,
    "at": ColumnType.TIMESTAMP,
}
_COLUMNS = {name: Column(kind) for name, kind in _KINDS.items()}
_TYPES = {
    ColumnType.TEXT: pa.string(),
    ColumnType.JSON: pa.string(),
    ColumnType.INTEGER: pa.int64(),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.TIMESTAMP: pa.timestamp("us", "UTC"),
}
_SCHEMA = pa.schema([(name, _TYPES[kind]) for name, kind in _KINDS.items()])


class WriteLog:
    """The table `_writes` of a warehouse, opened for one run.

    Args:
        url: the warehouse, as the setting `url` of target-warehouse.
        schema: the schema of the table; the database's own if None.
        settling: the outcomes that settle a write that was sent.
    """

    def __init__(self, url: str, schema: str | None, settling: Iterable[str]) -> None:
        self._adapter = connect(url, schema)
        self._settling = ", ".join(f"'{outcome}'" for outcome in settling)
        self._columns: Mapping[str, Column] = {}
        transact(self._adapter, self._ensure)
        self._path = self._adapter.path(WRITES)

    def _ensure(self) -> None:
        self._columns = self._adapter.ensure(WRITES, _COLUMNS, ())

    def append(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append rows and commit them; `wish` is a JSON value, `at` an instant."""
        made = [{**row, "wish": json.dumps(row["wish"], sort_keys=True)} for row in rows]
        table = pa.Table.from_pylist(made, _SCHEMA)
        columns = {name: self._columns[name] for name in _COLUMNS}
        transact(self._adapter, lambda: self._adapter.append(WRITES, table, columns))

    def unsettled(self, target: str) -> dict[str, dict[str, Any]]:
        """Return the wishes by key whose last write was sent and has no outcome."""
        column = self._adapter.dialect.identifier
        rows = self._adapter.execute(
            f"SELECT w.{column('key')}, w.{column('wish')} FROM {self._path} AS w "  # noqa: S608
            f"WHERE w.{column('target')} = '{target}' AND w.{column('outcome')} = 'sent' "
            f"AND NOT EXISTS (SELECT 1 FROM {self._path} AS later "
            f"WHERE later.{column('target')} = w.{column('target')} "
            f"AND later.{column('key')} = w.{column('key')} "
            f"AND later.{column('at')} > w.{column('at')} "
            f"AND later.{column('outcome')} IN ({self._settling}))"
        )
        return {key: json.loads(wish) if isinstance(wish, str) else wish for key, wish in rows}

    def accepted(self, target: str) -> dict[str, datetime]:
        """Return when each key was last accepted."""
        column = self._adapter.dialect.identifier
        rows = self._adapter.execute(
            f"SELECT {column('key')}, max({column('at')}) FROM {self._path} "  # noqa: S608
            f"WHERE {column('target')} = '{target}' AND {column('outcome')} = 'accepted' "
            f"GROUP BY {column('key')}"
        )
        return {key: dates.instant(at) for key, at in rows}

    def close(self) -> None:
        """Close the connection to the warehouse."""
        self._adapter.close()
