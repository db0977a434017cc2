from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from tap_attribution_io.revenue import REVENUE as ATTRIBUTION_IO
from tap_ecdp.revenue import REVENUE as ECDP
from target_warehouse.warehouses.base import Adapter
from target_warehouse.warehouses.registry import connect

from attribution_elt.reporting.movements import Movement, Restated, restated
from attribution_elt.reporting.revenue import (
    Figure,
    Key,
    Note,
    figures,
    missing,
    notes,
    unversioned,
)
from tests.reporting.vendors_data import (
    EVENT_ATTRIBUTIONS,
    EVENTS,
    ORDERS,
    credit,
    event,
    load,
    order,
    schema_of,
)
from tests.targets.target_warehouse.warehouses import Warehouse

TAP = "tap-ecdp"
DAY = date(2026, 3, 1)


@contextmanager
def opened(warehouse: Warehouse, tap: str = TAP) -> Iterator[Adapter]:
    with closing(connect(warehouse.url, schema_of(tap))) as adapter:
        yield adapter


def noted(warehouse: Warehouse, known_at: datetime | None = None) -> list[Note]:
    with opened(warehouse) as adapter:
        return notes(adapter, ECDP, date(2026, 1, 1), known_at)


def test_only_changes_are_noted(warehouse: Warehouse) -> None:
    first = [
        order("1", "2026-03-01", "10.10", "Email"),
        order("2", "2026-03-01", "5", "Email"),
        order("3", "2026-03-01", "7", "SMS"),
        order("4", "2026-03-02", None, None),
        order("5", "2025-12-31", "1", "SMS"),
    ]
    load(warehouse, TAP, ORDERS, *first, at=at(3))
    assert len(noted(warehouse)) == 3
    load(warehouse, TAP, ORDERS, *first, at=at(4))
    load(warehouse, TAP, ORDERS, order("3", "2026-03-01", "6.5", "Email"), at=at(5))
    found = noted(warehouse)
    assert {(each.key, each.figure) for each in found[:3]} == {
        (Key(DAY, "Email", "EUR"), Figure(Decimal(2), Decimal("15.10"))),
        (Key(DAY, "SMS", "EUR"), Figure(Decimal(1), Decimal(7))),
        (Key(date(2026, 3, 2), None, "EUR"), Figure(Decimal(1), Decimal(0))),
    }
    assert {(each.key, each.figure) for each in found[3:]} == {
        (Key(DAY, "Email", "EUR"), Figure(Decimal(3), Decimal("21.60"))),
        (Key(DAY, "SMS", "EUR"), Figure(Decimal(0), Decimal(0))),
    }
    assert sorted({each.noted_at.date() for each in found}) == [date(2026, 3, 3), date(2026, 3, 5)]
    assert noted(warehouse, at(4)) == found[:3]


def test_rows_of_an_incomplete_run_are_noted_after_the_next_one(warehouse: Warehouse) -> None:
    one, other = order("1", "2026-03-01", "1", "SMS"), order("2", "2026-03-01", "2", "SMS")
    state = '{"type": "STATE", "value": 1, "complete": false}'
    load(warehouse, TAP, ORDERS, one, state, "no message", fails=True, at=at(2))
    assert noted(warehouse) == []
    load(warehouse, TAP, ORDERS, one, other, at=at(3))
    assert [each.figure.revenue for each in noted(warehouse)] == [Decimal(3)]


def test_figures_as_they_were_known(warehouse: Warehouse) -> None:
    load(warehouse, TAP, ORDERS, order("1", "2026-03-01", "10", "SMS"), at=at(2))
    load(warehouse, TAP, ORDERS, order("1", "2026-03-01", "4", "Email"), at=at(4))
    with opened(warehouse) as adapter:
        found = {
            day: figures(adapter, ECDP, at(day) + timedelta(hours=1)) for day in (1, 2, 3, 4, 5)
        }
        assert found[5] == figures(adapter, ECDP)
    assert found[1] == {}
    assert found[2] == found[3] == {Key(DAY, "SMS", "EUR"): Figure(Decimal(1), Decimal(10))}
    assert found[4] == found[5] == {Key(DAY, "Email", "EUR"): Figure(Decimal(1), Decimal(4))}


def test_rows_that_are_marked_as_vanished_do_not_count(warehouse: Warehouse) -> None:
    claimed = {**ORDERS, "schema": {**ORDERS["schema"], "x-claims": ["website_id"]}}
    first = [order("1", "2026-03-01", "1", "SMS"), order("2", "2026-03-01", "2", "SMS")]
    complete = {"type": "STATE", "value": 1, "complete": True}
    load(warehouse, TAP, claimed, *first, complete, at=at(2))
    delivered = [{"stream": "attributed_orders", "where": {"website_id": 1}, "rows": 1}]
    ends = {**complete, "delivered": delivered}
    warehouse.settings["vanished"] = "mark"
    load(warehouse, TAP, claimed, first[0], ends, at=at(4))
    with opened(warehouse) as adapter:
        assert [each.revenue for each in figures(adapter, ECDP).values()] == [Decimal(1)]
    assert [each.figure.revenue for each in noted(warehouse)] == [Decimal(3), Decimal(1)]


def test_an_event_that_is_credited_again(warehouse: Warehouse) -> None:
    tap = "tap-attribution-io"
    credits_ = [
        credit(1, 1, "Linear", "Paid", weight=100, amount=80),
        credit(3, 1, "Last Touch", "Direct", weight=100, amount=80),
    ]
    messages = [EVENTS, event(1, "2026-03-01"), EVENT_ATTRIBUTIONS]
    load(warehouse, tap, *messages, credits_[0], at=at(2))
    load(warehouse, tap, *messages, *credits_, at=at(3))
    with opened(warehouse, tap) as adapter:
        found = notes(adapter, ATTRIBUTION_IO, DAY)
    assert (found[0].key.channel, found[0].figure.revenue) == ("Paid", Decimal(80))
    assert {(each.key.channel, each.figure.revenue) for each in found[1:]} == {
        ("Paid", Decimal(40)),
        ("Direct", Decimal(40)),
    }


def test_without_versions_no_change_is_known(warehouse: Warehouse) -> None:
    load(warehouse, TAP, ORDERS, order("1", "2026-03-01", "1", "SMS"), history=())
    why = "no old versions of attributed_orders are kept (setting history of the loader)"
    with opened(warehouse) as adapter:
        assert notes(adapter, ECDP, DAY) == []
        assert missing(ECDP, adapter) is None
        assert unversioned(ECDP, adapter) == missing(ECDP, adapter, at(2)) == why


def test_an_event_with_several_models_counts_once(warehouse: Warehouse) -> None:
    tap = "tap-attribution-io"
    load(
        warehouse,
        tap,
        EVENTS,
        event(1, "2026-03-01"),
        event(2, "2026-03-01"),
        EVENT_ATTRIBUTIONS,
        credit(1, 1, "Linear", "Paid", weight=50, amount=40),
        credit(2, 1, "Linear", "Direct", weight=50, amount=40),
        credit(3, 1, "Last Touch", "Direct", weight=100, amount=80),
        credit(4, 2, "Linear", "Paid", weight=100, amount=None),  # a sign-up, worth nothing
        credit(5, 1, "First Touch", "Paid", weight=100, amount=None),  # has no part of the amount
    )
    with opened(warehouse, tap) as adapter:
        found = figures(adapter, ATTRIBUTION_IO)
    assert found == {
        Key(DAY, "Paid", None): Figure(Decimal("0.25"), Decimal(20)),
        Key(DAY, "Direct", None): Figure(Decimal("0.75"), Decimal(60)),
    }


def test_missing_tables_and_columns_are_named(warehouse: Warehouse) -> None:
    load(warehouse, "tap-attribution-io", EVENTS, event(1, "2026-03-01"))
    with opened(warehouse, "tap-attribution-io") as adapter:
        assert missing(ECDP, adapter) == "the table attributed_orders does not exist"
        assert missing(ATTRIBUTION_IO, adapter) == "the table event_attributions does not exist"
        assert notes(adapter, ATTRIBUTION_IO, DAY) == []
    less = {**ORDERS, "schema": {**ORDERS["schema"]}}
    less["schema"]["properties"] = {"website_id": {}, "order_id": {}, "order_date_time": {}}
    load(warehouse, TAP, less)
    with opened(warehouse) as adapter:
        assert missing(ECDP, adapter) == "attributed_orders has no column channel"


# What has moved.


def at(day: int, hour: int = 5) -> datetime:
    return datetime(2026, 3, day, hour, tzinfo=UTC)


def seen(when: datetime, revenue: int, channel: str = "SMS", day: int = 1) -> Note:
    return Note(when, Key(date(2026, 3, day), channel, "EUR"), Figure(Decimal(1), Decimal(revenue)))


def test_a_day_that_is_not_over_is_not_restated() -> None:
    notes = [seen(at(1, 9), 10), seen(at(1, 18), 30), seen(at(2), 50)]
    assert list(restated(notes)) == [Restated(DAY, Decimal(50), [])]
    assert list(restated(notes[:2])) == []


def test_a_change_after_the_day_is_recorded_with_its_time() -> None:
    notes = [seen(at(2), 50), seen(at(5), 40), seen(at(9), 45)]
    (day,) = restated(notes)
    assert day.first == Decimal(50)
    assert day.movements == [
        Movement(DAY, at(5), Decimal(-10), Decimal(0), {"SMS": Decimal(-10)}),
        Movement(DAY, at(9), Decimal(5), Decimal(0), {"SMS": Decimal(5)}),
    ]
    assert [each.days_later for each in day.movements] == [4, 8]


def test_revenue_that_moves_between_channels_is_separate() -> None:
    notes = [seen(at(2), 50), seen(at(2), 20, "Email"), seen(at(4), 20), seen(at(4), 45, "Email")]
    (day,) = restated(notes)
    assert day.first == Decimal(70)
    assert day.movements == [
        Movement(DAY, at(4), Decimal(-5), Decimal(25), {"SMS": Decimal(-30), "Email": Decimal(25)})
    ]


def test_the_first_check_after_a_day_counts_even_if_only_another_day_changed() -> None:
    notes = [seen(at(1, 9), 10), seen(at(2), 1, day=2), seen(at(6), 15)]
    assert [each.movements for each in restated(notes) if each.day == DAY] == [
        [Movement(DAY, at(6), Decimal(5), Decimal(0), {"SMS": Decimal(5)})]
    ]


def test_a_day_that_is_loaded_late_is_first_seen_then() -> None:
    notes = [seen(at(2), 1, day=2), seen(at(9), 70), seen(at(10), 60)]
    (day, _) = restated(notes)
    assert day == Restated(
        DAY, Decimal(70), [Movement(DAY, at(10), Decimal(-10), Decimal(0), {"SMS": Decimal(-10)})]
    )
