"""Random claims: only rows inside a valid claim disappear, and only if they were not delivered.

The suite uses fixed examples. `FUZZ_EXAMPLES=2000 scripts/test
tests/reliability/test_fuzz_claims.py` generates new ones.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from tests.reliability.fuzz import few, spoilt_documents
from tests.reliability.test_fuzz_messages import EXPECTED, load
from tests.targets.target_warehouse.claims import INSTANT, announced, claim
from tests.targets.target_warehouse.warehouses import Line, record, schema, singer

Row = dict[str, Any]
SCHEMA = announced(
    schema("events", id="integer", customer="string", at=INSTANT, amount="number"),
    *("customer", "at", "amount"),
)
ROWS: list[Row] = [
    {
        "id": number,
        "customer": "abc"[number % 3],
        "at": f"2026-11-{1 + number // 3:02}T12:00:00Z",
        "amount": number % 4 / 2,
    }
    for number in range(12)
]
DAYS = [f"2026-11-{day:02}T00:00:00Z" for day in range(1, 6)]
WHERES: list[dict[str, Any]] = [
    {},
    *({"customer": name} for name in ["a", "b", "nobody"]),
    *({"at": {"from": start, "to": end}} for start in DAYS for end in DAYS),
    *({"customer": "c", "at": {"from": DAYS[0], "to": end}} for end in DAYS),
    *({"amount": value} for value in [0, 0.5, 1]),
    {"amount": {"from": 0.5, "to": 1}, "customer": "a"},
]


def is_inside(row: Row, where: Mapping[str, Any]) -> bool:
    """Return whether a row is inside a claim, which must have the form of the reference."""
    return all(matches(row[name], wanted) for name, wanted in where.items())


def matches(value: Any, wanted: Any) -> bool:
    if not isinstance(wanted, dict):
        return bool(compared(value) == compared(wanted))
    return bool(compared(wanted["from"]) <= compared(value) < compared(wanted["to"]))


def compared(value: Any) -> Any:
    return datetime.fromisoformat(value) if isinstance(value, str) and "T" in value else value


def covered(claims: Any, delivered: Sequence[Row]) -> Iterator[int]:
    """Yield the rows that valid claims cover."""
    for each in claims if isinstance(claims, list) else ():
        try:
            inside = [row["id"] for row in ROWS if is_inside(row, each["where"])]
            count = sum(is_inside(row, each["where"]) for row in delivered)
            is_valid = each["stream"] == "events" and each["rows"] == count
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
            continue
        if is_valid:
            yield from inside


@st.composite
def runs(draw: st.DrawFn) -> tuple[list[Row], list[dict[str, Any]]]:
    """Draw delivered rows and claims: right, miscounted, overlapping and contradictory ones."""
    delivered = draw(st.lists(st.sampled_from(ROWS), unique_by=lambda row: row["id"], max_size=12))
    claims = []
    for where in draw(st.lists(st.sampled_from(WHERES), min_size=1, max_size=5)):
        count = sum(is_inside(row, where) for row in delivered)
        claims.append(claim(count + draw(st.sampled_from([0, 0, 0, 1, -1])), **where))
    return delivered, claims


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a warehouse that has all rows."""
    folder = tmp_path_factory.mktemp("claims")
    error, _ = run(folder / "before.duckdb", ROWS, [])
    assert error is None
    return folder


def run(path: Path, rows: Sequence[Row], claims: Any) -> tuple[Exception | None, list[Any]]:
    state = {"type": "STATE", "value": {"reached": 1}, "delivered": claims}
    records = [record("events", **row) for row in rows]
    lines: list[Line] = [SCHEMA, *records, json.dumps(state, default=float)]
    return load(path, singer(lines).encode(), add_record_metadata=True)


def gone(folder: Path, delivered: Sequence[Row], claims: Any) -> set[int]:
    """Load a run over the warehouse that has all rows; return the rows that it removes."""
    note(f"{claims!r}")
    path = folder / "warehouse.duckdb"
    shutil.copy(folder / "before.duckdb", path)
    error, _ = run(path, delivered, claims)
    if error is not None:
        assert isinstance(error, EXPECTED), f"{type(error).__name__}: {error}"
        assert "\n" not in str(error)
    with duckdb.connect(str(path), read_only=True) as connection:
        held = {number for (number,) in connection.execute("SELECT id FROM events").fetchall()}
    return {row["id"] for row in ROWS} - held


@few(6)
@given(drawn=runs())
def test_valid_claims_apply_next_to_invalid_ones(
    folder: Path, drawn: tuple[list[Row], list[dict[str, Any]]]
) -> None:
    delivered, claims = drawn
    expected = set(covered(claims, delivered)) - {row["id"] for row in delivered}
    assert gone(folder, delivered, claims) == expected


@few(6)
@given(data=st.data())
def test_no_malformed_claim_removes_a_row(folder: Path, data: st.DataObject) -> None:
    delivered, claims = data.draw(runs())
    spoilt = data.draw(spoilt_documents(claims))
    allowed = set(covered(spoilt, delivered)) - {row["id"] for row in delivered}
    assert gone(folder, delivered, spoilt) <= allowed
