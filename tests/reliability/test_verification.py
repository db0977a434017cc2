"""A dry run names the units that were damaged, and a load repairs them and nothing else."""

from __future__ import annotations

import json
import random
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from target_warehouse.warehouses.registry import connect

from attribution_elt.sandbox import Sandbox
from tests.reliability.days import PIPELINES, Days, Pipeline, at_the_sandbox
from tests.tap_process import Output
from tests.targets.target_warehouse.warehouses import DuckDB, PostgreSQL, Warehouse

DAMAGES = {"ecdp": 8, "adtraction": 6, "attribution-io": 6}
Row = dict[str, Any]
Unit = tuple[str, str]


@dataclass
class Damages:
    """Damages rows at random, and notes the units in which a comparison must find them."""

    days: Days
    output: Output
    seed: int
    expected: dict[Unit, Counter[str]] = field(default_factory=dict)
    touched: set[tuple[str, tuple[Any, ...]]] = field(default_factory=set)

    def __post_init__(self) -> None:
        messages = self.output.of("SCHEMA")
        self._keys = {each["stream"]: each["key_properties"] for each in messages}
        self._scopes = {each["stream"]: each["schema"]["x-claims"] for each in messages}
        self._random = random.Random(self.seed)

    def keys(self, stream: str) -> list[str]:
        return list(self._keys[stream])

    def damage(self, kind: str) -> None:
        """Damage a row of a stream."""
        streams = [name for name, keys in self._keys.items() if self._own(name) or kind != "insert"]
        rows: list[Row] = []
        while not rows:
            stream = self._random.choice(sorted(streams))
            rows = [row for row in self.days.rows(stream) if self._is_claimed(row)]
            rows = [row for row in rows if (stream, self.key(stream, row)) not in self.touched]
        row = self._random.choice(rows)
        counted = getattr(self, f"_{kind}")(stream, row)
        if counted:
            self.touched.add((stream, self.key(stream, row)))
            self.expected.setdefault((stream, self._unit(stream, row)), Counter())[counted] += 1

    def key(self, stream: str, row: Row) -> tuple[Any, ...]:
        return tuple(row[name] for name in self._keys[stream])

    def _own(self, stream: str) -> list[str]:
        """The columns of the key that no claim names."""
        return [name for name in self._keys[stream] if name not in self._scopes[stream]]

    def _is_claimed(self, row: Row) -> bool:
        first = str(self.days.sandbox.ecdp.first_day)
        return "order_date_time" not in row or str(row["order_date_time"])[:10] > first

    def _unit(self, stream: str, row: Row) -> str:
        values = {
            name: str(row[name])[:10] if name.endswith("_time") else row[name]
            for name in self._scopes[stream]
        }
        shown = {n: None if value is None else str(value) for n, value in values.items()}
        return json.dumps(shown, ensure_ascii=False)

    def _execute(self, sql: str) -> None:
        with self.days.warehouse.connected() as connection:
            connection.execute(sql)
            connection.commit()

    def _where(self, stream: str, row: Row) -> str:
        return " AND ".join(f"{name} = {literal(row[name])}" for name in self._keys[stream])

    def _path(self, stream: str) -> str:
        return self.days.warehouse.path(self.days.schema, stream)

    def _delete(self, stream: str, row: Row) -> str:
        self._execute(f"DELETE FROM {self._path(stream)} WHERE {self._where(stream, row)}")
        return "missing"

    def _alter(self, stream: str, row: Row) -> str:
        plain = [
            name
            for name, value in row.items()
            if isinstance(value, (str, int, float, Decimal))
            and not isinstance(value, bool)
            and name not in {*self._keys[stream], *self._scopes[stream], "_extra"}
            and str(value)[:1] not in {"{", "["}
        ]
        if not plain:
            return ""
        name = self._random.choice(plain)
        new = f"{name} || '!'" if isinstance(row[name], str) else f"{name} + 1"
        table = self._path(stream)
        self._execute(f"UPDATE {table} SET {name} = {new} WHERE {self._where(stream, row)}")
        return "modified"

    def _insert(self, stream: str, row: Row) -> str:
        return self._copy(stream, row, self._own(stream)[-1])

    def _duplicate(self, stream: str, row: Row) -> str:
        own = None if isinstance(self.days.warehouse, DuckDB) else self._own(stream)
        return self._copy(stream, row, own[-1] if own else None) if own != [] else ""

    def _copy(self, stream: str, row: Row, changed: str | None) -> str:
        """Copy a row, with another value of one of its columns."""
        names = [name for name, _ in self._columns(stream)]
        new = {}
        if changed:
            text = isinstance(row[changed], str)
            new = {changed: f"{changed} || '-copy'" if text else f"{changed} + 1000000"}
        selected = ", ".join(new.get(name, name) for name in names)
        table = self._path(stream)
        self._execute(
            f"INSERT INTO {table} ({', '.join(names)}) "
            f"SELECT {selected} FROM {table} WHERE {self._where(stream, row)}"
        )
        return "extra"

    def _columns(self, stream: str) -> list[tuple[str, str]]:
        with self.days.warehouse.connected() as connection:
            found = connection.execute(f"SELECT * FROM {self._path(stream)} LIMIT 0")
            return [(column[0], "") for column in found.description]


def literal(value: Any) -> str:
    return str(value) if isinstance(value, (int, Decimal)) else "'" + str(value) + "'"


def stamps(days: Days, damages: Damages) -> dict[tuple[str, tuple[Any, ...]], Any]:
    """When each row was written, by stream and key."""
    version = ", xmin" if isinstance(days.warehouse, PostgreSQL) else ""
    found = {}
    with days.warehouse.connected() as connection:
        for stream in sorted(days.streams):
            keys = damages.keys(stream)
            path = days.warehouse.path(days.schema, stream)
            rows = connection.execute(
                f"SELECT {', '.join(keys)}, _sdc_batched_at{version} FROM {path}"
            )
            for row in rows.fetchall():
                found[stream, tuple(row[: len(keys)])] = row[len(keys) :]
    return found


@pytest.fixture
def vendors() -> Any:
    with at_the_sandbox(0) as sandbox:
        sandbox.ecdp.history_days = 12
        yield sandbox


@pytest.mark.parametrize("pipeline", [each for each in PIPELINES if each.name in DAMAGES], ids=str)
def test_damaged_units_are_named_and_repaired(
    pipeline: Pipeline, vendors: Sandbox, warehouse: Warehouse
) -> None:
    days = Days(pipeline, vendors, warehouse)
    days.run()
    truth = days.tables()
    days.state = None
    damages = Damages(days, days.extract(), seed=11)
    before = stamps(days, damages)
    kinds = ["delete", "alter", "insert", "duplicate"]
    for number in range(DAMAGES[pipeline.name]):
        damages.damage(kinds[number % 4])
    assert len(damages.touched) >= DAMAGES[pipeline.name] - 1

    again = days.extract()
    run = days.load(again, dry_run=True)
    assert run.states == []
    table = warehouse.path(days.schema, "_verifications")
    counts = ("modified", "missing", "extra")
    found = {
        (stream, unit): Counter({name: n for name, n in zip(counts, row, strict=True) if n})
        for stream, unit, *row in warehouse.rows(
            f"SELECT stream, unit, {', '.join(counts)} FROM {table} WHERE unit IS NOT NULL"
        )
    }
    assert found == damages.expected

    with closing(connect(warehouse.url, days.schema)) as adapter:
        for stream in days.streams:
            adapter.deduplicate(stream, damages.keys(stream))
        adapter.commit()
    days.load(again, vanish_limit=1)
    assert days.tables() == truth
    after = stamps(days, damages)
    assert before.keys() == after.keys()
    rewritten = {each for each in after if before[each] != after[each]}
    assert rewritten <= damages.touched
    days.load(again, dry_run=True)
    rows = warehouse.rows(f"SELECT run_id, unit FROM {table} WHERE unit IS NOT NULL")
    assert len({run_id for run_id, _ in rows}) == 1


def test_credits_that_are_computed_again_are_identical(
    vendors: Sandbox, warehouse: Warehouse
) -> None:
    """The time of their computation differs."""
    [pipeline] = [each for each in PIPELINES if each.name == "ihc"]
    days = Days(pipeline, vendors, warehouse)
    days.run()
    days.state = None
    days.load(days.extract(), dry_run=True)
    table = warehouse.path(days.schema, "_verifications")
    rows = warehouse.rows(f"SELECT stream, identical, modified, missing, extra FROM {table}")
    counts = {stream: tuple(found) for stream, *found in rows}
    assert counts["attributions"][0] > 100
    assert counts["attributions"][1:] == counts["failures"][1:] == (0, 0, 0)
