"""`attribution-elt preflight` leaves no trace in any warehouse."""

from __future__ import annotations

from attribution_elt.checks.warehouses import finding
from attribution_elt.meltano.project import Loader
from tests.targets.target_warehouse.warehouses import Warehouse, record, schema

ITEMS = schema("items", id="integer")


def test_rights_are_tried_in_schemas_that_are_there_and_that_are_not(warehouse: Warehouse) -> None:
    warehouse.load(ITEMS, record("items", id=1), default_target_schema="shop")
    before = sorted(warehouse.tables())
    found = finding(Loader("target-warehouse", warehouse.url, None), ["shop", "other"])
    assert found.problems == []
    assert found.facts[0].startswith("can create and write")
    assert sorted(warehouse.tables()) == before
