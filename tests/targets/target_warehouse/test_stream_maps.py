"""The SDK's stream maps and flattening."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.targets.target_warehouse.warehouses import (
    Warehouse,
    exactly,
    raw_record,
    record,
    schema,
    state,
)

pytestmark = pytest.mark.one_warehouse


def test_stream_maps_and_flattening(warehouse: Warehouse) -> None:
    items = schema("items", id="integer", name="string", price="number")
    nested = schema(
        "nested", id="integer", place={"type": "object", "properties": {"x": {"type": "number"}}}
    )
    hidden = schema("hidden", id="integer")
    run = warehouse.load(
        items,
        nested,
        hidden,
        raw_record("items", '{"id": 1, "name": "a", "price": 1.10}'),
        record("items", id=2, name="b", price=9),
        raw_record("nested", '{"id": 1, "place": {"x": 1.230}}'),
        record("hidden", id=1),
        state(1),
        stream_maps={
            "items": {"label": "name + '!'", "name": None, "__filter__": "id < 2"},
            "copies": {"__source__": "items", "__else__": None, "id": "id"},
            "hidden": None,
        },
        flattening_enabled=True,
        flattening_max_depth=1,
    )

    assert run.states == [1]
    assert warehouse.tables() == {"items", "copies", "nested"}
    [(id_, price, label)] = warehouse.rows("SELECT id, price, label FROM items")
    assert (id_, exactly(price), label) == (1, Decimal("1.10"), "a!")
    assert warehouse.rows("SELECT id FROM copies ORDER BY id") == [(1,), (2,)]
    [(place,)] = warehouse.rows("SELECT place__x FROM nested")
    assert exactly(place) == Decimal("1.230")


def test_a_failing_stream_map_is_named_without_data_of_the_record(warehouse: Warehouse) -> None:
    run = warehouse.execute(
        schema("people", id="integer", email="string"),
        record("people", id=1, email="someone@example.com"),
        state(1),
        stream_maps={"people": {"number": "int(email)"}},
    )
    assert run.code == 1
    assert run.states == []
    assert "setting 'stream_maps.people': an expression failed (ValueError)" in run.stderr
    assert "someone" not in run.stderr


@pytest.mark.parametrize(
    "broken",
    ['{"type": "RECORD", "stream": "items", "record": {"id": 2', raw_record("items", "null")],
)
def test_a_line_that_is_no_record_is_named_and_those_before_it_are_loaded(
    warehouse: Warehouse, broken: str
) -> None:
    run = warehouse.execute(
        schema("items", id="integer"),
        record("items", id=1),
        broken,
        record("items", id=3),
        stream_maps={"items": {"twice": "id * 2"}},
    )
    assert "Error: line 3 is not a RECORD message" in run.stderr
    assert warehouse.rows("SELECT id FROM items") == [(1,)]
