"""The table of runs: what each one brought to each stream."""

from __future__ import annotations

import dataclasses
import logging
import os
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from attribution_elt.core.events import RUN_ID, RUNS, event
from target_warehouse.columns import Column, ColumnType
from target_warehouse.warehouses.base import Adapter, Merged

_KINDS = {
    "run_id": ColumnType.TEXT,
    "stream": ColumnType.TEXT,
    "started_at": ColumnType.TIMESTAMP,
    "finished_at": ColumnType.TIMESTAMP,
    "load_method": ColumnType.TEXT,
    "records": ColumnType.INTEGER,
    "inserted": ColumnType.INTEGER,
    "updated": ColumnType.INTEGER,
    "unchanged": ColumnType.INTEGER,
    "rejected": ColumnType.INTEGER,
    "newest": ColumnType.TIMESTAMP,
    "complete": ColumnType.BOOLEAN,
    "failed_units": ColumnType.INTEGER,
    "message": ColumnType.TEXT,
}
"""The last two are for whoever started the run: a tap tells the loader nothing of its failures."""
_COLUMNS = {name: Column(kind) for name, kind in _KINDS.items()}
_EVENT = "stream_loaded"
_INSTANT = pa.timestamp("us", "UTC")
_TYPES = {
    ColumnType.TEXT: pa.string(),
    ColumnType.INTEGER: pa.int64(),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.TIMESTAMP: _INSTANT,
}

logger = logging.getLogger("target-warehouse")


@dataclasses.dataclass
class Tally:
    """What a run has brought to a stream so far."""

    records: int = 0
    rejected: int = 0
    merged: Merged = dataclasses.field(default_factory=lambda: Merged(0, 0))
    newest: datetime | None = None
    """Time of extraction of the latest record."""

    def row(self) -> dict[str, Any]:
        """Return the columns of `_runs` that this fills."""
        inserted, updated = self.merged.inserted, self.merged.updated
        unchanged = None
        if inserted is not None and updated is not None:
            # rows that share a key, in a table that knew none before, are updated by one record
            unchanged = max(self.records - self.rejected - inserted - updated, 0)
        return {
            "records": self.records,
            "inserted": inserted,
            "updated": updated,
            "unchanged": unchanged,
            "rejected": self.rejected,
            "newest": self.newest,
        }


def tell(
    tallies: Mapping[str, Tally], *, load_method: str, started_at: int, complete: bool
) -> pa.Table:
    """Log what a run has brought, and return it as rows of `_runs`; `started_at` is in ms."""
    run = {
        "run_id": os.environ.get(RUN_ID) or str(uuid.uuid4()),
        "started_at": datetime.fromtimestamp(started_at / 1000, UTC),
        "finished_at": datetime.now(UTC),
        "load_method": load_method,
        "complete": complete,
    }
    rows = [{**run, "stream": stream, **tally.row()} for stream, tally in tallies.items()]
    for row in rows:
        logger.info(
            "stream %r: %s records, %s inserted, %s updated, %s unchanged, %s rejected",
            *(
                row[name]
                for name in ("stream", "records", "inserted", "updated", "unchanged", "rejected")
            ),
            extra=event(_EVENT, **row),
        )
    schema = pa.schema([(name, _TYPES[kind]) for name, kind in _KINDS.items()])
    return pa.Table.from_pylist(rows, schema)


def keep(adapter: Adapter, rows: pa.Table) -> None:
    """Append rows to `_runs`; the commit is the caller's."""
    columns = adapter.ensure(RUNS, _COLUMNS, ())
    adapter.append(RUNS, rows, {name: columns[name] for name in _COLUMNS})
