"""Rows stay where columns by which claims find them change within a run."""

from __future__ import annotations

import pytest

from tests.targets.target_warehouse.claims import (
    EVENTS,
    METADATA,
    announced,
    claim,
    claiming,
    ids,
    unit,
)
from tests.targets.target_warehouse.warehouses import Line, Warehouse, raw_record, record, schema


def test_rows_stay_where_their_key_becomes_text(warehouse: Warehouse) -> None:
    prices = announced(schema("prices", id="number", market="integer"), "market")

    def delivered(*ids: str) -> list[Line]:
        records: list[Line] = [raw_record("prices", f'{{"id": {id_}, "market": 1}}') for id_ in ids]
        return [prices, *records, claiming(1, claim(len(ids), "prices", market=1))]

    warehouse.load(*delivered("1.5", "2.50"), **METADATA)
    long = f"{'1' * 40}.5"
    warehouse.load(*delivered("1.50", "2.50", long), batch_size_rows=1, **METADATA)

    assert warehouse.rows("SELECT COUNT(*) FROM prices") == [(3,)]


def test_rows_stay_where_the_schema_adds_a_claimed_column(
    warehouse: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    plain = announced(schema("events", id="integer", note="string"), "customer", "at")
    warehouse.load(EVENTS, *unit(1, "jo", 1, 2), **METADATA)
    row = record("events", id=1, note="a")
    warehouse.load(plain, row, EVENTS, *unit(2, "jo", 1), **METADATA)

    assert ids(warehouse) == [1, 2]
    assert "a column of the key or of the claims has changed" in caplog.text
