"""The types of columns."""

from __future__ import annotations

import pytest
from target_warehouse.columns import Column, ColumnType


@pytest.mark.parametrize(
    ("whole", "fraction", "expected"),
    [
        (5, 1, Column(ColumnType.NUMBER, 2)),
        (5, 3, Column(ColumnType.NUMBER, 4)),
        (35, 3, Column(ColumnType.NUMBER, 3)),  # a whole step does not fit
        (36, 3, Column(ColumnType.TEXT, 2)),
    ],
)
def test_a_decimal_grows_in_steps_while_they_fit(
    whole: int, fraction: int, expected: Column
) -> None:
    held = Column(ColumnType.NUMBER, 2)
    assert held.sized(whole, fraction, limit=38, step=2) == expected
