"""Dates, times and instants are stored without a change."""

from __future__ import annotations

import pytest
from target_warehouse.errors import RecordsRejectedError

from tests.targets.target_warehouse.warehouses import (
    Line,
    Warehouse,
    date_time,
    record,
    schema,
    state,
)

TIMESTAMPS = {
    "2017-09-11T19:22:50.328Z": "2017-09-11 19:22:50.328+00",
    "2017-09-11T19:22:50+02:00": "2017-09-11 17:22:50+00",
    "2017-09-11 19:22:50-0530": "2017-09-12 00:52:50+00",
    "0001-01-01T00:00:00Z": "0001-01-01 00:00:00+00",
    "9999-12-31T23:59:59.999999Z": "9999-12-31 23:59:59.999999+00",
}
WITHOUT_OFFSET = {
    "2017-09-11T19:22:50": "2017-09-11 19:22:50+00",
    "2017-09-11": "2017-09-11 00:00:00+00",
}
UNUSUAL = {
    "2017-09-11t19:22:50z": "2017-09-11 19:22:50+00",
    "2017-09-11T19:22:50.123456789Z": "2017-09-11 19:22:50.123456+00",
}


def test_timestamps_are_instants(warehouse: Warehouse) -> None:
    groups = (TIMESTAMPS, WITHOUT_OFFSET, UNUSUAL, TIMESTAMPS | WITHOUT_OFFSET | UNUSUAL)
    lines: list[Line] = []
    for number, texts in enumerate(groups):  # each a stream, because decoding depends on all values
        lines.append(schema(f"moments_{number}", id="integer", at=date_time()))
        rows = enumerate([*texts, None])
        lines += [record(f"moments_{number}", id=id_, at=text) for id_, text in rows]
    warehouse.load(*lines)
    for number, texts in enumerate(groups):
        found = warehouse.rows(f'SELECT "at"::text FROM moments_{number} ORDER BY id')
        assert [text for (text,) in found] == [*texts.values(), None]


OUTSIDE = ["9999-12-31T23:59:59-05:00", "0001-01-01T00:00:00+01:00", "0000-01-01T00:00:00Z"]


@pytest.mark.parametrize("batch_size_rows", [1, 100])
def test_moments_outside_the_years_1_to_9999_are_rejected(
    warehouse: Warehouse, batch_size_rows: int
) -> None:
    moments = schema("moments", id="integer", at=date_time(), day=date_time("date"))
    run = warehouse.load(
        {**moments, "bookmark_properties": ["at"]},
        record("moments", id=0, at="9999-12-31T23:59:59Z", day="0001-01-01"),
        *[record("moments", id=number, at=text) for number, text in enumerate(OUTSIDE, 1)],
        record("moments", id=9, day="0000-01-01"),
        state("done"),
        batch_size_rows=batch_size_rows,
        fails=True,
    )

    assert isinstance(run.error, RecordsRejectedError)
    assert run.states == ["done"]
    assert warehouse.rows("SELECT id FROM moments") == [(0,)]
    assert warehouse.rows("SELECT count(*) FROM _rejected") == [(4,)]


def test_dates_and_times(warehouse: Warehouse) -> None:
    moments = schema("moments", id="integer", day=date_time("date"), clock=date_time("time"))
    warehouse.load(
        moments,
        record("moments", id=1, day="2024-02-29", clock="12:30:00.5"),
        record("moments", id=2, day="2024-02-29T00:00:00Z", clock="12:30:00+02:00"),
        record("moments", id=3, day="2024-02-29", clock="23:59:59"),
    )

    assert warehouse.rows("SELECT day::text, clock::text FROM moments ORDER BY id") == [
        ("2024-02-29", "12:30:00.5"),
        ("2024-02-29", "10:30:00"),
        ("2024-02-29", "23:59:59"),
    ]


def test_a_time_may_have_an_hour_of_one_digit(warehouse: Warehouse) -> None:
    items = schema("items", id="integer", value=date_time("time"))
    times = enumerate(["4:00:00", "04:00:00", "4:00"])
    warehouse.load(items, *(record("items", id=id_, value=each) for id_, each in times))
    assert warehouse.rows("SELECT value::text FROM items") == [("04:00:00",)] * 3


def test_an_unreadable_time_of_extraction_does_not_reject_its_record(
    warehouse: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    times = ["4Y-01-02T03:04:05Z", "2024-01-01 00:00:00 UTC", 1704067200.5, ["x"], None]
    records = [
        {**record("items", id=number), "time_extracted": each} for number, each in enumerate(times)
    ]
    warehouse.load(schema("items", id="integer"), *records, add_record_metadata=True)
    assert warehouse.rows(
        "SELECT count(*) FROM items WHERE _sdc_extracted_at = _sdc_received_at"
    ) == [(5,)]
    assert "some values of time_extracted are not valid" in caplog.text
