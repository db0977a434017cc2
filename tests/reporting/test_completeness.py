from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from attribution_elt.reporting.completeness import (
    Completeness,
    Course,
    completeness,
    courses,
    enough_days,
    restated_by_age,
    too_short,
)
from attribution_elt.reporting.lateness import plot_of
from attribution_elt.reporting.revenue import Figure, Key, Note

DAY = date(2026, 3, 1)


def note(age: int, revenue: int, channel: str = "SMS", day: date = DAY) -> Note:
    seen = datetime.combine(day + timedelta(days=age), time(5), UTC)
    return Note(seen, Key(day, channel, "EUR"), Figure(Decimal(1), Decimal(revenue)))


def test_a_course_has_the_revenue_at_each_age() -> None:
    notes = [note(1, 80), note(1, 20, "Email"), note(3, 60), note(9, 1)]
    [course] = courses(notes, 4, DAY + timedelta(days=4))
    assert course == Course(DAY, 1, [Decimal(100), Decimal(100), Decimal(80), Decimal(80)])
    assert [course.share(age) for age in (0, 1, 2, 3, 4)] == [None, 1.25, 1.25, 1, 1]
    [course] = courses(notes, 4, DAY + timedelta(days=4), "Email")
    assert course.final == 20
    # a channel that was credited late had nothing when the day was first loaded
    [course] = courses([*notes, note(3, 5, "Push")], 4, DAY + timedelta(days=4), "Push")
    assert [course.share(age) for age in (0, 1, 2, 3, 4)] == [None, 0, 0, 1, 1]


def test_days_that_are_not_final_or_were_loaded_late_have_no_course() -> None:
    assert courses([note(1, 80)], 4, DAY + timedelta(days=3)) == []
    assert courses([note(5, 80)], 4, DAY + timedelta(days=30)) == []
    [course] = courses([note(0, 0), note(2, 0)], 4, DAY + timedelta(days=30))
    assert course.share(2) is None


def test_an_interval_needs_19_days() -> None:
    every = [Course(DAY, 0, [Decimal(100 + number), Decimal(100)]) for number in range(19)]
    found = completeness(every, 0)
    assert found is not None
    assert (found.low, found.middle, found.high) == (1.0, 1.09, 1.18)
    found = completeness(every[:18], 0)
    assert found is not None
    assert (found.low, found.high, found.days) == (None, None, 18)
    assert completeness([], 0) is None


def test_the_plot_names_its_ends_unless_they_are_close_to_all_of_the_revenue() -> None:
    def labels(*middles: float) -> list[str]:
        curve = [Completeness(age, each, None, None, 1) for age, each in enumerate(middles)]
        return [text for _, text in plot_of(curve).y_ticks]

    assert labels(0.7, 0.9, 1) == ["100 %", "70 %"]
    assert labels(0.99, 1.6, 1) == ["100 %", "160 %"]


def test_restated_revenue_by_age() -> None:
    notes = [note(0, 50), note(1, 80), note(3, 60), note(3, 20, "Email"), note(40, 59)]
    assert restated_by_age(notes) == {3: Decimal(40), 40: Decimal(1)}
    assert restated_by_age([note(9, 5), note(10, 7)]) == {10: Decimal(2)}


def test_a_look_back_that_is_too_short_is_named() -> None:
    late = {3: Decimal(900), 25: Decimal(79), 44: Decimal(20), 45: Decimal(1)}
    assert enough_days(late) == 44
    [text] = too_short(late, 30)
    assert text == (
        "2.1 % of restated revenue is older than 30 days (lookback_days); 44 days would catch "
        "99.9 %."
    )
    assert list(too_short(late, 50)) == []
    assert list(too_short({}, 30)) == []
    [edge] = too_short({1: Decimal(900), 29: Decimal(100)}, 30)
    assert edge.startswith("10.0 % of restated revenue changed in the last 3 days of the 30 that")
