"""The model warehouse of the conformance suite."""

from __future__ import annotations

import json
from typing import Any

import pytest

from attribution_elt.kit.testing import ClaimError, Output, Warehouse, claims_of

SCHEMA = {"type": "SCHEMA", "stream": "s", "schema": {}, "key_properties": ["id"]}


def run(*messages: dict[str, Any]) -> Output:
    return Output("".join(json.dumps(each) + "\n" for each in (SCHEMA, *messages)).encode())


def record(id_: int, **more: Any) -> dict[str, Any]:
    return {"type": "RECORD", "stream": "s", "record": {"id": id_, **more}}


def state(rows: int, **where: Any) -> dict[str, Any]:
    claim = {"stream": "s", "where": where, "rows": rows}
    return {"type": "STATE", "value": {}, "delivered": [claim]}


def test_a_claim_removes_the_rows_inside_it_that_were_not_delivered() -> None:
    warehouse = Warehouse()
    warehouse.load(run(record(1, a="x"), record(2, a="x"), record(3, a="y")))
    second = run(record(1, a="x"), state(1, a="x"))
    warehouse.load(second)
    assert set(warehouse.rows["s"]) == {(1,), (3,)}
    assert warehouse.removed["s"] == [(2,)]
    assert claims_of(second, "s") == [{"a": "x"}]


def test_a_range_includes_its_start_but_not_its_end() -> None:
    warehouse = Warehouse()
    days = ("2026-01-01", "2026-01-02", "2026-01-03")
    warehouse.load(
        run(*(record(n, at=f"{day}T00:00:00Z") for n, day in enumerate(days)), record(9, at=None))
    )
    warehouse.load(run(state(0, at={"from": "2026-01-02T00:00:00Z", "to": "2026-01-03T00:00:00Z"})))
    assert set(warehouse.rows["s"]) == {(0,), (2,), (9,)}


def test_a_claim_with_another_count_is_an_error() -> None:
    with pytest.raises(ClaimError, match="1 records were written"):
        Warehouse().load(run(record(1), state(2)))
