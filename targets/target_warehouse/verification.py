"""`dry_run`: compares what a tap delivers with its tables, and changes only `_verifications`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from attribution_elt.core.events import VERIFICATIONS
from attribution_elt.core.text import storable
from target_warehouse.column_plan import ColumnPlan
from target_warehouse.comparison import SAMPLES, Comparison, Findings
from target_warehouse.decode import LINE, Reject
from target_warehouse.runs import Run, Tally
from target_warehouse.sweeper import Sweeper
from target_warehouse.system_tables import SystemTable
from target_warehouse.table_writer import latest
from target_warehouse.warehouses.base import Adapter, Sweep, WarehouseError
from target_warehouse.warehouses.transaction import transact

MOST_UNITS = 1_000
"""Maximum number of units of a stream that get a row each."""
_DIFFERENT = ("modified", "missing", "extra")
_TABLE = SystemTable(
    VERIFICATIONS,
    "run_id text, stream text, unit text, identical integer, modified integer, missing integer, "
    "extra integer, repeated integer, rejected integer, modified_columns text, samples text, "
    "complete boolean, message text, started_at timestamp, finished_at timestamp",
)


class Verifier:
    """Compares the rows of a stream with its table; it replaces `TableWriter`."""

    def __init__(self, adapter: Adapter, plan: ColumnPlan, sweeper: Sweeper) -> None:
        self.findings = Findings()
        self.message: str | None = None
        """Why the stream is not compared; None if it is."""
        self._adapter = adapter
        self._plan = plan
        self.comparison = Comparison(adapter, plan, sweeper)
        self._sweeps: list[Sweep] = []

    def prepare(self) -> None:
        """Check whether the stream can be compared."""
        if not self._plan.keys:
            self.message = "rows without a primary key cannot be compared"

    def write(self, rows: pa.Table, sweep: Sweep | None = None) -> list[Reject]:
        """Keep the rows of a batch, with its claims, for the comparison."""
        if self.message:
            return []
        if len(rows):
            bare = latest(rows, self._plan).drop_columns([LINE])
            try:
                transact(self._adapter, lambda: self.comparison.stage(bare))
            except self._adapter.data_errors as error:  # its text may have the value
                raise WarehouseError(
                    "it is not compared, because a record has a value that its column refuses "
                    f"({type(error).__name__}): a load would reject the record"
                ) from None
        if sweep:
            self._sweeps.append(sweep)
        return []

    def finish(self) -> None:
        """Compare all rows with the table."""
        if not self.message:
            self.findings = transact(self._adapter, lambda: self.comparison.run(self._sweeps))


def write_verifications(
    adapter: Adapter,
    run: Run,
    streams: Iterable[tuple[str, Verifier, Tally]],
    *,
    complete: bool | None,
) -> None:
    """Append to `_verifications` a row for each stream, and one for each unit that differs.

    The rows of streams have no unit. The caller commits.
    """
    ends = {
        "run_id": run.id,
        "started_at": datetime.fromtimestamp(run.started_at / 1000, UTC),
        "finished_at": datetime.now(UTC),
    }
    _TABLE.append(
        adapter,
        (
            {**ends, "stream": storable(stream), **row}
            for stream, verifier, tally in streams
            for row in _rows(verifier, tally, complete=complete)
        ),
    )


def _rows(
    verifier: Verifier, tally: Tally, *, complete: bool | None
) -> Iterator[Mapping[str, Any]]:
    findings = verifier.findings
    differing = {
        unit: counts for unit, counts in findings.units.items() if any(map(counts.get, _DIFFERENT))
    }
    message = tally.message or verifier.message
    if not message and len(differing) > MOST_UNITS:
        message = f"{len(differing):,} units differ; the first {MOST_UNITS:,} have rows"
    limited: list[Mapping[str, Any]] = []
    for kind in _DIFFERENT:
        limited += [each for each in findings.samples if each["kind"] == kind][:SAMPLES]
    yield {
        **_counts(findings.total),
        "repeated": findings.repeated,
        "rejected": tally.rejected,
        "modified_columns": json.dumps(findings.columns, ensure_ascii=False),
        "samples": storable(json.dumps(limited, ensure_ascii=False)),
        "complete": complete if message is None else False,
        "message": message,
    }
    for unit, counts in list(differing.items())[:MOST_UNITS]:
        yield {**_counts(counts), "unit": storable(unit)}


def _counts(found: Counter[str]) -> dict[str, int]:
    return {kind: found[kind] for kind in ("identical", *_DIFFERENT)}
