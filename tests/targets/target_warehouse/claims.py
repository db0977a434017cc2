"""Messages of a tap that claims what it has delivered completely."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tests.targets.target_warehouse.warehouses import Line, Warehouse, record, schema, state

METADATA = {"add_record_metadata": True}
INSTANT = {"type": ["string", "null"], "format": "date-time"}


def announced(message: dict[str, Any], *scope: str) -> dict[str, Any]:
    """A SCHEMA message that names the properties which claims may use."""
    return {**message, "schema": {**message["schema"], "x-claims": list(scope)}}


EVENTS = announced(
    schema("events", id="integer", customer="string", at=INSTANT, note="string"), "customer", "at"
)


def events(customer: str, *ids: int, **values: Any) -> list[Line]:
    return [record("events", id=number, customer=customer, **values) for number in ids]


def claim(rows: int, stream: str = "events", **where: Any) -> dict[str, Any]:
    return {"stream": stream, "where": where, "rows": rows}


def claiming(value: Any, *claims: Mapping[str, Any]) -> dict[str, Any]:
    """A STATE message with claims."""
    return {**state(value), "delivered": list(claims)}


def unit(value: Any, customer: str, *ids: int, **values: Any) -> list[Line]:
    """The records of a customer, and the STATE that ends them."""
    return [
        *events(customer, *ids, **values),
        claiming(value, claim(len(ids), customer=customer)),
    ]


def ids(warehouse: Warehouse, table: str = "events") -> list[int]:
    """The keys of the live rows."""
    rows = warehouse.rows(f"SELECT id FROM {table} WHERE _sdc_deleted_at IS NULL ORDER BY id")
    return [number for (number,) in rows]


def history(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    if "events__history" not in warehouse.tables():
        return []
    return warehouse.rows("SELECT id, note FROM events__history ORDER BY id, _sdc_valid_to")


def counts(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    """The vanished and revived rows of each run."""
    return warehouse.rows("SELECT vanished, revived FROM _runs ORDER BY started_at")


def numbered(count: int, start: int = 0) -> Iterable[int]:
    return range(start, start + count)
