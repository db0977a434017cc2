from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from attribution_elt.core.dates import day_of, duration, instant, now_text, rfc3339


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-01-31", date(2026, 1, 31)),
        ("2026-01-31T23:30:00-02:00", date(2026, 2, 1)),
        ("2026-01-31 00:30:00+02:00", date(2026, 1, 30)),
        ("2026-01-31T23:30:00", date(2026, 1, 31)),
    ],
)
def test_the_day_of_an_instant_is_the_one_in_utc(text: str, day: date) -> None:
    assert day_of(text) == day


@pytest.mark.parametrize("text", ["2026-13-01", "2026-02-30", "20260131", "2026-W05", "today", ""])
def test_text_that_is_not_a_day_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        day_of(text)


def test_instants_are_in_utc_and_written_in_whole_seconds() -> None:
    moment = instant("2026-01-01T01:00:00.9+02:00")
    assert moment == datetime(2025, 12, 31, 23, 0, 0, 900_000, UTC)
    assert rfc3339(moment) == "2025-12-31T23:00:00Z"
    assert instant(datetime(2026, 1, 1)) == datetime(2026, 1, 1, tzinfo=UTC)  # noqa: DTZ001 - that is the case
    assert abs(instant(now_text()) - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("26h", timedelta(hours=26)), ("90m", timedelta(minutes=90)), ("7d", timedelta(days=7))],
)
def test_durations(text: str, expected: timedelta) -> None:
    assert duration(text) == expected


@pytest.mark.parametrize("text", ["", "0h", "26", "h", "1.5h", "-2d", "26 h", "123456d", "7w"])
def test_text_that_is_not_a_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="26h"):
        duration(text)
