"""Compares delivered rows with a table, in SQL that all warehouses share."""

# ruff: noqa: S608 - identifiers and literals are quoted, and nothing else is put into SQL

from __future__ import annotations

import dataclasses
import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from target_warehouse.column_plan import ColumnPlan
from target_warehouse.columns import Column, ColumnType
from target_warehouse.sweeper import Sweeper
from target_warehouse.warehouses.base import Adapter, Claimed, Sweep, WarehouseError
from target_warehouse.warehouses.history import DELETED_AT

SAMPLES = 20
"""Maximum number of rows of a stream whose values are kept."""
_BATCH, _NARROW = "_sdc_verified_batch", "_sdc_verified_narrow"
_NUMERIC = {ColumnType.INTEGER, ColumnType.NUMBER}
_numbers = itertools.count()


@dataclasses.dataclass
class Findings:
    """The result of the comparison of a stream.

    A unit is a set of rows that share what a claim can name, such as a customer, a feed or a day.
    """

    units: dict[str, Counter[str]] = dataclasses.field(default_factory=lambda: defaultdict(Counter))
    """Counts by unit, which is a JSON object: `identical`, `modified`, `missing` (the tap has
    delivered the row, and the table does not have it) and `extra` (the row is inside a claim and
    was not delivered, or is the second row of a key)."""
    columns: Counter[str] = dataclasses.field(default_factory=Counter)
    """Number of modified rows by column."""
    samples: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    repeated: int = 0
    """Second rows of a key, which are included in the extra ones."""

    @property
    def total(self) -> Counter[str]:
        """Counts of all units."""
        return sum(self.units.values(), Counter[str]())


class Comparison:
    """Compares a stream's table with its delivered rows, staged in a temporary table."""

    def __init__(self, adapter: Adapter, plan: ColumnPlan, sweeper: Sweeper) -> None:
        self.volatile: Collection[str] = ()
        """Properties that differ between two readings of the same data."""
        self._adapter, self._plan, self._sweeper = adapter, plan, sweeper
        self._name = adapter.dialect.identifier
        number = next(_numbers)
        self._path = adapter.temporary(f"verified_{number}")
        self._latest = adapter.temporary(f"verified_latest_{number}")
        self._staged: dict[str, Column] = {}
        self._batches = 0

    def stage(self, rows: pa.Table) -> None:
        """Add rows with distinct keys; they replace earlier rows with the same keys."""
        self._check_staged()
        names = [n for n in rows.column_names if not n.startswith("_sdc_") or n == DELETED_AT]
        planned = {name: self._plan.columns[name] for name in names}
        staged = self._fitted(planned)
        batch = pa.repeat(pa.scalar(self._batches, pa.int64()), len(rows))
        columns = {**planned, _BATCH: Column(ColumnType.INTEGER)}
        self._adapter.insert(self._path, rows.select(names).append_column(_BATCH, batch), columns)
        self._staged = staged  # last: a transaction that fails before is repeated
        self._batches += 1

    def _check_staged(self) -> None:
        """Raise WarehouseError if a lost connection has taken the temporary table with it."""
        if not self._batches:
            return
        try:
            self._adapter.execute(f"SELECT 1 FROM {self._path} WHERE 1 = 0")
        except self._adapter.errors as error:
            if self._adapter.is_transient(error):
                raise
            raise WarehouseError(
                "the connection was lost, and with it the rows to compare: repeat the comparison"
            ) from error

    def _fitted(self, planned: Mapping[str, Column]) -> dict[str, Column]:
        """Create or adapt the temporary table, with columns in the types of the stream's table.

        Return its columns.
        """
        adapter, path, staged = self._adapter, self._path, self._staged.copy()
        held = adapter.columns(self._plan.table)
        if not staged:
            adapter.discard(path)
            alike = [n for n, c in planned.items() if n in held and not held[n].is_narrower(c)]
            batch = f"{self._name(_BATCH)} {adapter.types[ColumnType.INTEGER]}"
            if alike:
                names = adapter.dialect.identifiers(alike)
                adapter.execute(
                    f"CREATE TEMPORARY TABLE {path} AS SELECT {names} "
                    f"FROM {adapter.path(self._plan.table)} WHERE 1 = 0"
                )
                adapter.execute(f"ALTER TABLE {path} ADD COLUMN {batch}")
            else:
                adapter.execute(f"CREATE TEMPORARY TABLE {path} ({batch})")
            staged = {name: planned[name] for name in alike}
        for name, column in planned.items():
            type_ = adapter.type_of(column)
            if name not in staged:
                adapter.execute(f"ALTER TABLE {path} ADD COLUMN {self._name(name)} {type_}")
            elif staged[name] != column:  # SQLite has no ALTER COLUMN
                narrow, value = self._name(_NARROW), adapter.cast(_NARROW, staged[name], column)
                adapter.execute(f"ALTER TABLE {path} RENAME COLUMN {self._name(name)} TO {narrow}")
                adapter.execute(f"ALTER TABLE {path} ADD COLUMN {self._name(name)} {type_}")
                adapter.execute(f"UPDATE {path} SET {self._name(name)} = {value}")
                adapter.execute(f"ALTER TABLE {path} DROP COLUMN {narrow}")
            staged[name] = column
        return staged

    def run(self, sweeps: Sequence[Sweep]) -> Findings:
        """Compare all staged rows, and count the rows that the sweeps would remove."""
        self._check_staged()
        findings = Findings()
        held = self._adapter.columns(self._plan.table)
        used = {*self._plan.keys, *(self._units().values() if sweeps else ())}
        odd = [name for name in sorted(used) if name not in held or self._is_other(name, held)]
        if held and odd:
            raise WarehouseError(
                f"the table {self._plan.table!r} lacks columns of the key or the claims, or has "
                f"them with other types: {', '.join(odd)}; load the stream first"
            )
        if self._batches:
            self._compare(held, findings)
        if sweeps and held:
            self._sweep(sweeps, findings)
        for path in (self._path, self._latest):
            self._adapter.discard(path)
        return findings

    def _compare(self, held: Mapping[str, Column], findings: Findings) -> None:
        adapter, keys = self._adapter, self._plan.keys
        source = self._last_of_each_key() if self._batches > 1 else self._path
        ignored = {*keys, *(self._plan.identifiers.get(name) for name in self.volatile)}
        conditions = {
            name: self._differs(name, held) for name in self._staged if name not in ignored
        }
        table = self._table(held) if held else f"(SELECT * FROM {source} WHERE 1 = 0)"
        joined = f"{source} AS new LEFT JOIN {table} AS held ON {adapter.dialect.same(keys)}"
        matched = f"held.{self._name(keys[0])} IS NOT NULL"
        changed = " OR ".join(conditions.values()) or "1 = 0"
        for *unit, rows, gone, other, more in adapter.execute(
            self._counts(joined, matched, changed)
        ):
            missing, modified, repeated = int(gone or 0), int(other or 0), int(more or 0)
            findings.units[self._unit(unit)].update(
                identical=int(rows) - missing - modified,
                modified=modified,
                missing=missing,
                extra=repeated,
            )
            findings.repeated += repeated
        if findings.total["modified"]:
            differing = f"FROM {joined} WHERE {matched} AND ({changed})"
            sums = (f"SUM(CASE WHEN {each} THEN 1 ELSE 0 END)" for each in conditions.values())
            [row] = adapter.execute(f"SELECT {', '.join(sums)} {differing}")
            findings.columns.update({n: int(c) for n, c in zip(conditions, row, strict=True) if c})
            findings.samples += self._modified(differing, conditions, held)
        if findings.total["missing"]:
            findings.samples += self._rows("missing", f"FROM {joined} WHERE NOT ({matched})", "new")

    def _last_of_each_key(self) -> str:
        """Return the table of the last rows of each key."""
        keys = self._adapter.dialect.identifiers(self._plan.keys)
        batch = self._name(_BATCH)
        self._adapter.discard(self._latest)
        self._adapter.execute(
            f"CREATE TEMPORARY TABLE {self._latest} AS SELECT * FROM (SELECT every.*, ROW_NUMBER() "
            f"OVER (PARTITION BY {keys} ORDER BY {batch} DESC) AS sdc_place "
            f"FROM {self._path} AS every) AS ranked WHERE sdc_place = 1"
        )
        return self._latest

    def _counts(self, joined: str, matched: str, changed: str) -> str:
        """Return the query of the counts by unit; each key counts once."""
        keys = [f"new.{self._name(key)}" for key in self._plan.keys]
        units = self._unit_sql("new")
        own = [f"unit_{number}" for number in range(len(units))]
        named = [f"{sql} AS {name}" for sql, name in zip(units, own, strict=True)]
        inner = [
            *named,
            f"SUM(CASE WHEN {matched} THEN 1 ELSE 0 END) AS matches",
            f"MAX(CASE WHEN {matched} AND ({changed}) THEN 1 ELSE 0 END) AS differs",
        ]
        sums = (
            "SUM(CASE WHEN matches = 0 THEN 1 ELSE 0 END)",
            "SUM(differs)",
            "SUM(CASE WHEN matches > 1 THEN matches - 1 ELSE 0 END)",
        )
        return (
            f"SELECT {', '.join([*own, 'COUNT(*)', *sums])} FROM (SELECT {', '.join(inner)} "
            f"FROM {joined} GROUP BY {', '.join([*keys, *units])}) AS compared"
            + (f" GROUP BY {', '.join(own)}" if own else "")
        )

    def _differs(self, name: str, held: Mapping[str, Column]) -> str:
        """Return the condition that a column differs."""
        one, other = f"held.{self._name(name)}", f"new.{self._name(name)}"
        if name not in held:
            return f"{other} IS NOT NULL"
        return self._adapter.differs(self._plan.columns[name], one, other)

    def _table(self, held: Mapping[str, Column]) -> str:
        """Return the SQL of the table with the types that a load would give to its columns."""
        adapter, columns = self._adapter, self._plan.columns
        values = (
            adapter.cast(name, column, columns[name]) + f" AS {self._name(name)}"
            if self._is_other(name, held)
            else self._name(name)
            for name, column in held.items()
            if name in columns
        )
        return f"(SELECT {', '.join(values)} FROM {adapter.path(self._plan.table)})"

    def _is_other(self, name: str, held: Mapping[str, Column]) -> bool:
        """Return whether a load would change a column to a type of another sort."""
        kinds = {held[name].kind, self._plan.columns[name].kind}
        return len(kinds) > 1 and kinds != _NUMERIC

    def _modified(
        self, differing: str, conditions: Mapping[str, str], held: Mapping[str, Column]
    ) -> Iterator[dict[str, Any]]:
        """Yield some modified rows, with both values of the columns that differ."""
        keys = self._plan.keys
        selected = [f"new.{self._name(key)}" for key in keys]
        for name, condition in conditions.items():
            old = f"held.{self._name(name)}" if name in held else "NULL"
            flag = f"CASE WHEN {condition} THEN 1 ELSE 0 END"
            selected += [flag, old, f"new.{self._name(name)}"]
        for row in self._adapter.execute(
            f"SELECT {', '.join(selected)} {differing} LIMIT {SAMPLES}"
        ):
            shown = list(map(_shown, row))
            rest = shown[len(keys) :]
            values = {
                name: {"table": old, "vendor": new}
                for name, flag, old, new in zip(
                    conditions, rest[::3], rest[1::3], rest[2::3], strict=True
                )
                if flag == "1"
            }
            key = dict(zip(keys, shown, strict=False))
            yield {"kind": "modified", "key": key, "values": values}

    def _rows(self, kind: str, rows: str, of: str) -> Iterator[dict[str, Any]]:
        """Yield some rows that only the vendor has, or only the table."""
        keys = self._plan.keys
        names = [*keys, *(n for n in self._plan.columns if n not in keys and n[:5] != "_sdc_")]
        known = self._staged if kind == "missing" else self._adapter.columns(self._plan.table)
        names = [name for name in names if name in known]
        selected = ", ".join(f"{of}.{self._name(name)}" for name in names)
        side = "vendor" if kind == "missing" else "table"
        for row in self._adapter.execute(f"SELECT {selected} {rows} LIMIT {SAMPLES}"):
            shown = dict(zip(names, map(_shown, row), strict=True))
            key = {name: shown.pop(name) for name in keys}
            values = {name: {side: value} for name, value in shown.items() if value is not None}
            yield {"kind": kind, "key": key, "values": values}

    def _sweep(self, sweeps: Sequence[Sweep], findings: Findings) -> None:
        """Count the rows that a load would remove."""
        table = f"{self._adapter.path(self._plan.table)} AS held"

        def look(vanished: str) -> None:
            rows = f"FROM {table} WHERE {vanished}"
            units = self._unit_sql("held")
            group = f" GROUP BY {', '.join(units)}" if units else ""
            for *unit, count in self._adapter.execute(
                f"SELECT {', '.join([*units, 'COUNT(*)'])} {rows}{group}"
            ):
                findings.units[self._unit(unit)].update(extra=int(count))
            findings.samples += self._rows("extra", rows, "held")

        def refuse(_: Claimed) -> bool:
            return False

        def delivered() -> Iterator[pa.Table]:
            return itertools.chain.from_iterable(sweep.delivered() for sweep in sweeps)

        claims = [group for sweep in sweeps for group in sweep.claims]
        whole = dataclasses.replace(sweeps[-1], claims=claims, delivered=delivered, look=look)
        self._adapter.sweep(whole, refuse)

    def _units(self) -> dict[str, str]:
        """Return the columns of units by property."""
        known, columns = self._plan.identifiers, self._staged or self._plan.columns
        return {n: known[n] for n in self._sweeper.scope if known.get(n) in columns}

    def _unit_sql(self, of: str) -> list[str]:
        """Return the SQL of the columns of units; instants count by their day."""
        found = []
        for column in self._units().values():
            sql = f"{of}.{self._name(column)}"
            is_instant = self._plan.columns[column].kind is ColumnType.TIMESTAMP
            found.append(self._adapter.day(sql) if is_instant else sql)
        return found

    def _unit(self, values: Sequence[Any]) -> str:
        """Return a unit as text."""
        unit = dict(zip(self._units(), map(_shown, values), strict=True))
        return json.dumps(unit, ensure_ascii=False)


def _shown(value: Any) -> str | None:
    return None if value is None else str(value)
