from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import groupby
from operator import itemgetter

from attribution_elt.sandbox.ihc.journeys import journeys
from tests.invalid_journeys import WRONG, invalid_journeys

DAY = date(2026, 3, 31)


def utc_day(timestamp: str) -> date:
    form = "%Y-%m-%d %H:%M:%S %z"
    padded = timestamp if " +" in timestamp or " -" in timestamp else f"{timestamp} +0000"
    return datetime.strptime(padded, form).astimezone(UTC).date()


def test_generated_journeys() -> None:
    rows = list(journeys(500, DAY, days=30))
    assert rows == list(journeys(500, DAY, days=30))
    assert len({(row["conversion_id"], row["session_id"]) for row in rows}) == len(rows)
    grouped = {key: list(group) for key, group in groupby(rows, itemgetter("conversion_id"))}
    lengths = sorted(map(len, grouped.values()))
    assert (len(grouped), lengths[0]) == (500, 1)
    assert lengths[250] < 6
    assert 100 < lengths[-1] <= 150
    for each in grouped.values():
        assert [row["conversion"] for row in each] == [0] * (len(each) - 1) + [1]
        stamps = [row["timestamp"] for row in each]
        assert stamps == sorted(stamps)
    days = [utc_day(each[-1]["timestamp"]) for each in grouped.values()]
    assert days == sorted(days)
    assert (days[0], days[-1]) == (date(2026, 3, 1), date(2026, 3, 30))
    assert any(not row["conversion_id"].isascii() for row in rows)
    assert not {row["conversion_id"] for row in journeys(50, DAY, seed=2)} & grouped.keys()


def test_lengths_to_choose() -> None:
    rows = list(journeys(4, DAY, lengths={range(40, 41): 1}))
    assert len(rows) == 160


def test_invalid_journeys_are_of_different_conversions() -> None:
    invalid = invalid_journeys(DAY)
    ids = {journey[0].get("conversion_id") for journey in invalid.values()}
    assert len(ids) == len(invalid) == len(WRONG) + 2
