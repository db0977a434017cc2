"""SQL that removes or marks claimed rows that a run has not delivered, for all databases."""

# ruff: noqa: S608 - identifiers and literals are quoted, and nothing else is put into SQL

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from target_warehouse.columns import Columns
from target_warehouse.warehouses.history import BATCHED_AT, DELETED_AT, insertion

if TYPE_CHECKING:
    import pyarrow as pa

    from target_warehouse.warehouses.tables import Tables


@dataclasses.dataclass(frozen=True)
class ClaimGroup:
    """Parts of a table that the tap has delivered completely.

    A row is inside if it equals one row of `equal` in all columns of that table and is inside every
    range. Nulls are never inside.
    """

    equal: pa.Table
    """Values by column, of the Arrow types that `stage` takes. Without columns, it matches any row.
    """
    ranges: Mapping[str, tuple[Any, Any]]
    """Bounds by column, `from` <= value < `to`: `int`, `Decimal`, `str`, `bool`, `date`, `time` or
    `datetime` in UTC; None if a bound is missing."""


@dataclasses.dataclass(frozen=True)
class Sweep:
    """A removal of the claimed rows that a run has not delivered."""

    table: str
    keys: Sequence[str]
    columns: Columns
    """All columns of the table, including `_sdc_batched_at` and `_sdc_deleted_at`."""
    claims: Sequence[ClaimGroup]
    delivered: Callable[[], Iterable[pa.Table]]
    """Returns the delivered keys in chunks, with the columns `keys`; keys may repeat. It is called
    again when the transaction is repeated."""
    started_at: datetime
    """Start of the run: rows with a later `_sdc_batched_at` belong to other runs and stay."""
    swept_at: datetime
    history: str | None
    """Table that takes the old versions; it has the columns of `table`, `_sdc_valid_from`,
    `_sdc_valid_to` and `_sdc_replaced_because`. None: they are not kept."""
    marks: bool = False
    """Whether the rows stay and get `_sdc_deleted_at`, instead of being removed."""
    look: Callable[[str], None] | None = None
    """Called before `permit` with the condition of the rows that vanish, if there are any."""


@dataclasses.dataclass(frozen=True)
class Claimed:
    """Numbers of live rows inside the claims of a sweep, before it."""

    live: int
    """Rows whose `_sdc_deleted_at` is null."""
    written: int
    """Live rows whose `_sdc_batched_at` is not before the start of the run."""
    vanished: int
    """Live rows that are older and were not delivered: the sweep would remove these."""


class TableSweep:
    """One sweep of a table; staged tables have column names that no other table has."""

    def __init__(self, adapter: Tables, sweep: Sweep) -> None:
        self._adapter = adapter
        self._sweep = sweep
        self._path = adapter.path(sweep.table)
        self._staged: list[str] = []
        self._deleted = adapter.dialect.identifier(DELETED_AT)
        self._batched = adapter.dialect.identifier(BATCHED_AT)

    def run(self, permit: Callable[[Claimed], bool]) -> int:
        """Count, and sweep if `permit` allows it; return the number of vanished rows."""
        count = self._run(permit)
        for path in self._staged:  # after an error, the rollback drops them
            self._adapter.discard(path)
        return count

    def _run(self, permit: Callable[[Claimed], bool]) -> int:
        adapter, sweep = self._adapter, self._sweep
        inside = " OR ".join(f"({self._inside(*each)})" for each in enumerate(sweep.claims))
        live = f"({inside or '1 = 0'}) AND {self._deleted} IS NULL"
        started = adapter.value(sweep.started_at)
        delivered = self._stage("delivered", sweep.keys, sweep.delivered())
        known = " AND ".join(f"{self._name(name)} IS NOT NULL" for name in sweep.keys)
        old = f"({self._batched} IS NULL OR {self._batched} < {started})"
        vanished = f"{live} AND {old} AND {known} AND NOT {self._has(delivered, sweep.keys)}"
        [(rows, written)] = adapter.execute(
            f"SELECT COUNT(*), COALESCE(SUM(CASE WHEN {old} THEN 0 ELSE 1 END), 0) "
            f"FROM {self._path} WHERE {live}"
        )
        condition, count = self._selected(vanished)
        if sweep.look and count:
            sweep.look(condition)
        if not permit(Claimed(int(rows), int(written), count)) or not count:
            return 0
        adapter.atomically(list(self._statements(condition)))
        rest = f"FROM {self._path} WHERE {condition} AND {self._deleted} IS NULL"
        adapter.check_gone(sweep.table, rest)
        return count

    def _statements(self, vanished: str) -> Iterator[str]:
        adapter, sweep = self._adapter, self._sweep
        swept = adapter.value(sweep.swept_at)
        if sweep.history:
            kept = insertion(adapter, sweep.history, until=swept)
            yield f"{kept}FROM {self._path} WHERE {vanished}"
        if sweep.marks:
            yield (
                f"UPDATE {self._path} SET {self._deleted} = {swept}, {self._batched} = {swept} "
                f"WHERE {vanished}"
            )
        else:
            yield f"DELETE FROM {self._path} WHERE {vanished}"

    def _inside(self, index: int, claim: ClaimGroup) -> str:
        """Return the condition that a row is inside a group of claims."""
        conditions = []
        names = claim.equal.column_names
        if names:
            staged = self._stage(f"claimed_{index}", names, [claim.equal])
            conditions.append(self._has(staged, names))
        for name, (least, end) in claim.ranges.items():
            conditions.append(f"{self._name(name)} IS NOT NULL")
            for bound, operator in ((least, ">="), (end, "<")):
                if bound is not None:
                    value = self._adapter.value(bound)
                    conditions.append(f"{self._name(name)} {operator} {value}")
        return " AND ".join(conditions) or "1 = 1"

    def _selected(self, condition: str) -> tuple[str, int]:
        """Select the rows of a condition once; return a condition for them, and their number."""
        adapter, keys = self._adapter, self._sweep.keys
        if not adapter.has_temporary_tables:
            [(count,)] = adapter.execute(f"SELECT COUNT(*) FROM {self._path} WHERE {condition}")
            return condition, int(count)
        staged = adapter.temporary("sweep_vanished")
        self._staged.append(staged)
        values = ", ".join(
            f"{self._name(key)} AS {self._name(own)}" for own, key in _own_names(keys).items()
        )
        adapter.discard(staged)
        adapter.execute(
            f"CREATE TEMPORARY TABLE {staged} AS "
            f"SELECT {values} FROM {self._path} WHERE {condition}"
        )
        [(count,)] = adapter.execute(f"SELECT COUNT(*) FROM {staged}")
        return self._has(staged, keys), int(count)

    def _stage(self, name: str, names: Sequence[str], chunks: Iterable[pa.Table]) -> str:
        """Stage values of some columns, and return the name of their table."""
        own_names = _own_names(names)
        columns = {own: (each, self._sweep.columns[each]) for own, each in own_names.items()}
        renamed = (chunk.select(list(names)).rename_columns(list(columns)) for chunk in chunks)
        staged = self._adapter.stage_aside(f"sweep_{name}", self._sweep.table, columns, renamed)
        self._staged.append(staged)
        return staged

    def _has(self, staged: str, names: Sequence[str]) -> str:
        """Return the condition that a staged table has the values of a row's columns."""
        same = " AND ".join(
            f"{self._name(own)} = {self._name(name)}" for own, name in _own_names(names).items()
        )
        return f"EXISTS (SELECT 1 FROM {staged} WHERE {same})"

    def _name(self, name: str) -> str:
        return self._adapter.dialect.identifier(name)


def _own_names(names: Sequence[str]) -> dict[str, str]:
    """Return names by columns of a staged table, which are called like no column of a stream."""
    return {f"_sdc_sweep_{index}": name for index, name in enumerate(names)}
