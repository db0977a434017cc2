"""Claims of journeys: settled and refused ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from attribution_elt.kit.testing import Output, Warehouse, claims_of
from attribution_elt.sandbox import Fault
from attribution_elt.sandbox.ihc import Ihc
from tests.tap_process import Row
from tests.taps.tap_ihc.helpers import by_conversion, file_of, run_here, settings, short

STREAMS = ("attributions", "failures")


def compute(vendor: Ihc, folder: Path, rows: list[Row], state: Any = None, **more: Any) -> Output:
    config = settings(vendor, file_of(folder / "j.jsonl", rows), **more)
    return run_here(config, state=state or {})


def claimed(output: Output) -> set[str]:
    first, second = (
        {each["conversion_id"] for each in claims_of(output, stream)} for stream in STREAMS
    )
    assert first == second
    return first


def test_a_journey_with_a_session_fewer_sums_to_one(vendor: Ihc, tmp_path: Path) -> None:
    rows = short(10)
    warehouse = Warehouse()
    first = compute(vendor, tmp_path, rows)
    warehouse.load(first)
    fewer = [row for number, row in enumerate(rows) if number % 3]
    second = compute(vendor, tmp_path, fewer, first.states[-1])
    warehouse.load(second)
    assert len(warehouse.rows["attributions"]) == 20
    assert claimed(first) == claimed(second) == set(by_conversion(rows))
    for conversion in by_conversion(rows):
        shares = [
            row["ihc"]
            for key, row in warehouse.rows["attributions"].items()
            if key[1] == conversion
        ]
        assert abs(sum(shares) - 1) < 0.001


@pytest.mark.parametrize("by", ["our own check", "its size", "the vendor", "the vendor, alone"])
@pytest.mark.parametrize("correction", [{}, {"channel_label": "third"}], ids=["as before", "new"])
def test_a_refused_journey_loses_its_credits_and_a_corrected_one_its_failure(
    vendor: Ihc, tmp_path: Path, by: str, correction: Row
) -> None:
    rows = short(4)
    bad = rows[0]["conversion_id"]
    warehouse = Warehouse()
    first = compute(vendor, tmp_path, rows)
    warehouse.load(first)
    changed = [dict(row) for row in rows]
    changed[0]["channel_label"] = "other"
    if by == "our own check":
        changed[0]["holder_engagement"] = 2
    elif by == "its size":
        first_row = changed[0]
        changed += [{**first_row, "session_id": f"s{n}", "conversion": 0} for n in range(20)]
    else:
        vendor.refused_conversions = {bad}
        vendor.partial_failures = by == "the vendor"
    limits = {"max_journeys_per_request": 1, "max_sessions_per_request": 20}
    second = compute(vendor, tmp_path, changed, first.states[-1], **limits)
    warehouse.load(second)
    assert bad not in {key[1] for key in warehouse.rows["attributions"]}
    assert bad in {key[1] for key in warehouse.rows["failures"]}
    assert len({key[1] for key in warehouse.rows["attributions"]}) == 3
    vendor.refused_conversions = set()
    mended = [{**row, **correction} for row in rows]
    warehouse.load(compute(vendor, tmp_path, mended, second.states[-1]))
    assert warehouse.rows["failures"] == {}
    assert len({key[1] for key in warehouse.rows["attributions"]}) == 4


def test_a_journey_with_a_missing_session_is_not_claimed(vendor: Ihc, tmp_path: Path) -> None:
    rows = short(5)
    vendor.missing_sessions = {rows[0]["session_id"]}
    output = compute(vendor, tmp_path, rows)
    assert output.code == 1
    assert claimed(output) == set(by_conversion(rows)) - {rows[0]["conversion_id"]}


def test_a_failed_request_claims_none_of_its_journeys(vendor: Ihc, tmp_path: Path) -> None:
    rows = short(4)
    vendor.faults.add(Fault("status", status=500, times=2))
    output = compute(vendor, tmp_path, rows, max_journeys_per_request=2)
    assert output.code == 1
    assert len(claimed(output)) == 2


def test_a_request_that_is_not_halved_claims_nothing(vendor: Ihc, tmp_path: Path) -> None:
    rows = short(4)
    vendor.partial_failures = False
    vendor.refused_conversions = {rows[0]["conversion_id"]}
    output = compute(vendor, tmp_path, rows, bisect_refused_requests=False)
    assert output.code == 1
    assert claimed(output) == set()


def test_claims_are_by_conversion_type(vendor: Ihc, tmp_path: Path) -> None:
    rows = short(2)
    warehouse = Warehouse()
    for kind in ("new_customers", "returning_customers"):
        warehouse.load(compute(vendor, tmp_path, rows, conv_type_id=kind))
    assert len(warehouse.rows["attributions"]) == 12
