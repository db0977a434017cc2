"""The operation that removes claimed rows that a run has not delivered."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from target_warehouse.columns import Column, ColumnType
from target_warehouse.warehouses.base import Adapter, Claimed, ClaimGroup, Sweep
from target_warehouse.warehouses.registry import connect
from target_warehouse.warehouses.sweeping import TableSweep
from target_warehouse.warehouses.transaction import transact

from tests.targets.target_warehouse.claims import EVENTS, METADATA, announced, ids, unit
from tests.targets.target_warehouse.through_dlt import SCHEMA, ThroughDlt
from tests.targets.target_warehouse.warehouses import Warehouse, record, schema

HISTORY = "orders__history"
INSTANT = {"type": ["string", "null"], "format": "date-time"}
DATE = {"type": ["string", "null"], "format": "date"}
ORDERS = schema(
    "orders", ["id", "line"], id="integer", line="string", at=INSTANT, day=DATE, amount="number"
)
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def load(warehouse: Warehouse, *rows: Mapping[str, Any]) -> datetime:
    """Load rows, and return a moment after their `_sdc_batched_at`."""
    warehouse.load(ORDERS, *[record("orders", **row) for row in rows], add_record_metadata=True)
    return datetime.now(UTC)


def order(number: int, line: str = "a", **values: Any) -> dict[str, Any]:
    at = NOON + timedelta(days=number)
    return {
        "id": number,
        "line": line,
        "at": at.isoformat(),
        "day": at.date().isoformat(),
        "amount": number + 0.5,
        **values,
    }


@contextlib.contextmanager
def connected(warehouse: Warehouse) -> Iterator[Adapter]:
    schema = SCHEMA if isinstance(warehouse, ThroughDlt) else None
    with contextlib.closing(connect(warehouse.url, schema)) as adapter:
        yield adapter


def sweep(
    warehouse: Warehouse,
    claims: Sequence[ClaimGroup],
    delivered: Sequence[tuple[int, str]],
    *,
    started_at: datetime,
    history: str | None = HISTORY,
) -> tuple[int, list[Claimed]]:
    """Sweep orders, and return the number of rows that vanished, and the counts."""
    seen: list[Claimed] = []

    def allow(claimed: Claimed) -> bool:
        seen.append(claimed)
        return True

    with connected(warehouse) as adapter:

        def work() -> int:
            columns = adapter.columns("orders")
            if history:
                moments = dict.fromkeys(("_sdc_valid_from", "_sdc_valid_to"), ColumnType.TIMESTAMP)
                added = {**moments, "_sdc_replaced_because": ColumnType.TEXT}
                more = {name: Column(kind) for name, kind in added.items()}
                adapter.ensure(history, columns | more, ())
            keys = [delivered[:1], delivered[1:], delivered]  # some keys are in two chunks
            return adapter.sweep(
                Sweep(
                    "orders",
                    ["id", "line"],
                    columns,
                    claims,
                    lambda: [
                        pa.table(
                            {
                                "id": pa.array([id_ for id_, _ in chunk], pa.int64()),
                                "line": pa.array([line for _, line in chunk], pa.string()),
                            }
                        )
                        for chunk in keys
                    ],
                    started_at,
                    datetime.now(UTC),
                    history,
                    marks=history is None,
                ),
                allow,
            )

        return transact(adapter, work), seen


def equal(**values: Sequence[Any]) -> ClaimGroup:
    types = {"id": pa.int64(), "line": pa.string(), "amount": pa.string(), "day": pa.date32()}
    arrays = {name: pa.array(each, types[name]) for name, each in values.items()}
    return ClaimGroup(pa.table(arrays), {})


def ranges(**bounds: tuple[Any, Any]) -> ClaimGroup:
    return ClaimGroup(pa.table({}), bounds)


def left(warehouse: Warehouse) -> list[tuple[int, str]]:
    return [
        (int(id_), line)
        for id_, line in warehouse.rows("SELECT id, line FROM orders ORDER BY id, line")
    ]


LIVE = "SELECT id FROM orders WHERE _sdc_deleted_at IS NULL ORDER BY id"


def test_a_line_that_an_order_no_longer_has_goes_to_the_history(warehouse: Warehouse) -> None:
    started = load(warehouse, order(1, "a"), order(1, "b"), order(2, "a"))

    vanished, [counts] = sweep(warehouse, [equal(id=[1, 3])], [(1, "a")], started_at=started)

    assert vanished == 1
    assert counts == Claimed(live=2, written=0, vanished=1)
    assert left(warehouse) == [(1, "a"), (2, "a")]
    [(id_, line, because)] = warehouse.rows(
        f"SELECT id, line, _sdc_replaced_because FROM {HISTORY} "
        "WHERE _sdc_valid_from < _sdc_valid_to"
    )
    assert (int(id_), line, because) == (1, "b", "vanished")
    assert warehouse.tables() == {"orders", HISTORY, "_runs"}


@pytest.mark.parametrize(
    ("bounds", "stay"),
    [
        ({"at": (NOON + timedelta(days=2), NOON + timedelta(days=4))}, [1, 4, 5]),
        ({"at": (None, NOON + timedelta(days=4))}, [4, 5]),
        ({"day": (date(2026, 11, 3), date(2026, 11, 5))}, [1, 4, 5]),
        ({"id": (2, None)}, [1]),
        ({"amount": (Decimal("2.5"), Decimal("3.5001"))}, [1, 4, 5]),
        ({"line": ("a", "b")}, [5]),
        ({"line": ("B", "C")}, [1, 2, 3, 4, 5]),
        ({"id": (2, 5), "day": (date(2026, 11, 5), None)}, [1, 2, 3, 5]),
        ({}, []),
    ],
)
def test_ranges_include_their_beginning_and_not_their_end(
    warehouse: Warehouse, bounds: dict[str, tuple[Any, Any]], stay: list[int]
) -> None:
    started = load(warehouse, *map(order, [1, 2, 3, 4]), order(5, "b"))

    sweep(warehouse, [ranges(**bounds)], [], started_at=started)

    assert [id_ for id_, _ in left(warehouse)] == stay


def test_nulls_are_only_in_a_claim_of_the_whole_stream(warehouse: Warehouse) -> None:
    started = load(warehouse, order(1, at=None, day=None), order(2))

    sweep(warehouse, [ranges(at=(None, None)), equal(day=[None])], [], started_at=started)
    assert left(warehouse) == [(1, "a")]
    sweep(warehouse, [ranges()], [], started_at=started)
    assert left(warehouse) == []


def test_rows_that_were_written_since_the_run_began_stay(warehouse: Warehouse) -> None:
    started = load(warehouse, order(1))
    load(warehouse, order(2))

    vanished, [counts] = sweep(warehouse, [ranges()], [], started_at=started)

    assert (vanished, counts) == (1, Claimed(live=2, written=1, vanished=1))
    assert left(warehouse) == [(2, "a")]


def test_marked_rows_stay_and_are_marked_once(warehouse: Warehouse) -> None:
    started = load(warehouse, order(1), order(2))
    claims = [equal(id=[1], day=[date(2026, 11, 2)]), equal(id=[1])]

    first, _ = sweep(warehouse, claims, [], started_at=started, history=None)
    again, _ = sweep(warehouse, claims, [], started_at=datetime.now(UTC), history=None)

    assert (first, again) == (1, 0)
    assert [int(id_) for (id_,) in warehouse.rows(LIVE)] == [2]
    assert len(left(warehouse)) == 2
    load(warehouse, order(1))
    assert [int(id_) for (id_,) in warehouse.rows(LIVE)] == [1, 2]


def test_thousands_of_claims_are_one_statement(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = load(warehouse, *map(order, range(20)))
    statements: list[str] = []
    with connected(warehouse) as adapter:
        execute = type(adapter).execute

    def counted(self: Adapter, sql: str, *more: Any) -> list[tuple[Any, ...]]:
        statements.append(sql)
        return execute(self, sql, *more)

    monkeypatch.setattr(type(adapter), "execute", counted)
    sweep(warehouse, [equal(id=range(5, 3_000))], [(7, "a")], started_at=started)

    assert [id_ for id_, _ in left(warehouse)] == [0, 1, 2, 3, 4, 7]
    assert len([each for each in statements if each.startswith("DELETE")]) == 1


def test_sweeps_through_dlt(through_dlt: ThroughDlt) -> None:
    started = load(through_dlt, *map(order, range(6)), order(6, "b"))
    claims = [equal(id=[1, 2, 3]), ranges(at=(NOON + timedelta(days=5), NOON + timedelta(days=6)))]

    vanished, [counts] = sweep(through_dlt, claims, [(1, "a")], started_at=started)

    assert (vanished, counts) == (3, Claimed(live=4, written=0, vanished=3))
    assert left(through_dlt) == [(0, "a"), (1, "a"), (4, "a"), (6, "b")]
    assert through_dlt.rows(f"SELECT id FROM {HISTORY} ORDER BY id") == [(2,), (3,), (5,)]
    assert through_dlt.tables() == {"orders", HISTORY, "_runs"}
    sweep(through_dlt, [equal(id=[4])], [], started_at=started, history=None)
    assert through_dlt.rows(LIVE) == [(0,), (1,), (6,)]


@pytest.mark.one_warehouse
def test_a_table_without_older_rows_is_not_swept(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept: list[TableSweep] = []
    run = TableSweep.run

    def noting(sweep: TableSweep, permit: Callable[[Claimed], bool]) -> int:
        swept.append(sweep)
        return run(sweep, permit)

    monkeypatch.setattr(TableSweep, "run", noting)
    warehouse.settings |= METADATA
    wider = schema("events", id="integer", customer="string", note="string", new="string")
    again = announced(wider, "customer")
    warehouse.load(EVENTS, *unit(1, "a", 1, 2), again, *unit(2, "b", 3), batch_size_rows=1)
    assert not swept
    warehouse.load(EVENTS, *unit(3, "a", 1))
    assert swept
    assert ids(warehouse) == [1, 3]
