"""Behaviour of DuckDB alone: its memory limit, and the digits of its decimals."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from target_warehouse.warehouses import duckdb as adapter

from tests.targets.target_warehouse.warehouses import (
    DuckDB,
    Line,
    raw_record,
    record,
    schema,
    warnings_in,
)

TEXTS = schema("texts", id="integer", text="string")
LARGE: list[Line] = [
    TEXTS,
    *(record("texts", id=number, text=str(number) * 200_000) for number in range(100)),
]


@pytest.mark.parametrize("limit", ["384MB", "2MB"])
def test_a_batch_gets_the_memory_that_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, limit: str
) -> None:
    monkeypatch.setattr(adapter, "_MEMORY", limit)
    duckdb = DuckDB(f"duckdb:///{tmp_path}/warehouse.duckdb", tmp_path)
    for _ in range(2):
        duckdb.load(*LARGE)
    assert any("retrying" in text for text in warnings_in(caplog)) == (limit == "2MB")
    assert duckdb.rows("SELECT count(*), sum(length(text)) FROM texts") == [(100, 38_000_000)]


def test_a_limit_in_the_url_holds(tmp_path: Path) -> None:
    url = f"duckdb:///{tmp_path}/warehouse.duckdb"
    run = DuckDB(f"{url}?memory_limit=2MB", tmp_path).load(*LARGE, fails=True)
    assert "memory" in str(run.error).lower()


@pytest.mark.parametrize(
    ("price", "digits"), [("1.5", 2), ("1.50000", 2), ("15e-1", 2), ("1.505", 3), ("15e-4", 4)]
)
def test_a_decimal_grows_by_the_digits_that_count(tmp_path: Path, price: str, digits: int) -> None:
    duckdb = DuckDB(f"duckdb:///{tmp_path}/warehouse.duckdb", tmp_path)
    described = schema("prices", id="integer", price="number")
    duckdb.load(described, raw_record("prices", f'{{"id": 1, "price": {price}}}'))

    assert duckdb.rows("SELECT price, typeof(price) FROM prices") == [
        (Decimal(price), f"DECIMAL(38,{digits})")
    ]
