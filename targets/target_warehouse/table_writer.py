"""Merges or appends rows to a table; refused rows are isolated."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from target_warehouse.arrow import uniform_uuids
from target_warehouse.column_plan import ColumnPlan
from target_warehouse.columns import ColumnType
from target_warehouse.decode import LINE, Reject
from target_warehouse.history import History
from target_warehouse.runs import Tally
from target_warehouse.sweeper import Sweeper
from target_warehouse.warehouses.base import Adapter, Merged, Sweep
from target_warehouse.warehouses.transaction import transact

_FEW_ROWS = 5_000
"""Rows that are grouped in Python: Arrow takes 50 ms to import what it groups rows with."""


class TableWriter:
    """Writes rows by key, or appends them if the stream has no key."""

    def __init__(
        self,
        adapter: Adapter,
        plan: ColumnPlan,
        tally: Tally,
        sweeper: Sweeper,
        history: History,
    ) -> None:
        self._adapter = adapter
        self._plan = plan
        self._tally = tally
        self._sweeper = sweeper
        self._history = history
        self._append: bool
        self._is_swept = False

    def prepare(self) -> None:
        """Check whether rows need a merge, after the table or its key has changed."""
        # Rows go into an empty table without a merge, until a key is repeated.
        is_empty = bool(self._plan.keys) and self._adapter.is_empty(self._plan.table)
        self._append = is_empty or not self._plan.keys
        self._sweeper.has_old_rows &= not is_empty

    def write(self, rows: pa.Table, sweep: Sweep | None = None) -> list[Reject]:
        """Write the last row of each key, sweep and commit; return the refused rows."""
        self._is_swept = False
        rejects = self._write(latest(rows, self._plan), sweep) if len(rows) else []
        if sweep and not self._is_swept:  # there were no rows, or they were written in parts
            transact(self._adapter, lambda: self._sweeper.sweep(sweep, self._tally.merged.inserted))
            self._sweeper.committed()
        return rejects

    def _write(
        self, rows: pa.Table, sweep: Sweep | None = None, *, is_probed: bool = False
    ) -> list[Reject]:
        adapter, keys = self._adapter, self._plan.keys
        if not len(rows):
            return []
        bare = rows.drop_columns([LINE])
        merged, revived = Merged(0, 0), 0

        def put() -> None:
            nonlocal merged, revived
            merged, revived = self._put(bare)
            if sweep:
                self._sweeper.sweep(sweep, (self._tally.merged + merged).inserted)

        try:
            transact(adapter, put)
        except adapter.data_errors as error:
            if self._append and keys:
                self._append = False
                return self._write(rows, sweep, is_probed=is_probed)
            if len(rows) == 1:
                return [Reject(rows[LINE][0].as_py(), adapter.explain(error))]
            if not is_probed and (refused := self._refused(rows)):
                kept = pa.array(index not in refused for index in range(len(rows)))
                lines = rows[LINE]
                return [
                    *(Reject(lines[index].as_py(), reason) for index, reason in refused.items()),
                    *self._write(rows.filter(kept), sweep, is_probed=True),
                ]
            half = len(rows) // 2
            return [
                *self._write(rows.slice(0, half), is_probed=True),
                *self._write(rows.slice(half), is_probed=True),
            ]
        else:
            self._append = not keys or (self._append and adapter.enforces_keys)
            self._tally.merged += merged
            self._tally.revived += revived
            if sweep:
                self._sweeper.committed()
                self._is_swept = True
            return []

    def _refused(self, rows: pa.Table) -> dict[int, str]:
        """Return rows that the warehouse refuses one by one, by their index, with the reasons."""
        adapter, table, bare = self._adapter, self._plan.table, rows.drop_columns([LINE])
        columns = {name: self._plan.columns[name] for name in bare.column_names}
        try:
            return transact(adapter, lambda: adapter.refused(table, bare, columns))
        except adapter.errors as error:
            if adapter.is_transient(error):
                raise
            return {}

    def _put(self, rows: pa.Table) -> tuple[Merged, int]:
        """Write rows, and return how many of them brought vanished rows back."""
        table, keys = self._plan.table, self._plan.keys
        columns = {name: self._plan.columns[name] for name in rows.column_names}
        if self._append and not self._sweeper.needs_merge:
            self._adapter.append(table, rows, columns)
            if keys and self._tally.merged.inserted:  # the key may have been dropped since
                self._adapter.key(table, keys, columns)
            return Merged(len(rows), 0), 0
        self._adapter.stage(table, rows, columns)
        revived = self._sweeper.count_revived()
        history = self._history.table if self._history.is_on else None
        merged = self._adapter.merge(table, columns, keys, history)
        return merged, revived


def latest(rows: pa.Table, plan: ColumnPlan) -> pa.Table:
    """Return the last row of each key."""
    names = plan.keys
    if not names:
        return rows
    columns = plan.columns
    # Arrow would take some names for paths.
    keys = {
        f"key{index}": uniform_uuids(rows[name]) if columns[name].is_uuid else rows[name]
        for index, name in enumerate(names)
    }
    kinds = [columns[name].kind for name in names]
    if ColumnType.NUMBER in kinds or len(rows) <= _FEW_ROWS:
        last = _last_by_value(rows[LINE], keys.values(), kinds)
    else:
        groups = pa.table(keys | {"line": rows[LINE]}).group_by(list(keys), use_threads=False)
        last = groups.aggregate([("line", "max")])["line_max"]
    if len(last) == len(rows):
        return rows
    return rows.filter(pc.is_in(rows[LINE], last))


def _last_by_value(
    lines: pa.ChunkedArray, keys: Iterable[pa.ChunkedArray], kinds: Iterable[ColumnType]
) -> pa.Array:
    """Return the line of the last row of each key; 1 and 1.0 are the same key."""
    values = [
        map(Decimal, key.to_pylist()) if kind is ColumnType.NUMBER else key.to_pylist()
        for key, kind in zip(keys, kinds, strict=True)
    ]
    last = dict(zip(zip(*values, strict=True), lines.to_pylist(), strict=True))
    return pa.array(last.values(), pa.int64())
