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
from attribution_elt.reporting.revenue import Figure, Key, Note, figures, history, missing, record
from tests.reporting.vendors_data import (
    EVENT_ATTRIBUTIONS,
    EVENTS,
    ORDERS,
    credit,
    event,
    load,
    loader,
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


def noted(warehouse: Warehouse) -> list[Note]:
    with opened(warehouse) as adapter:
        return history(adapter, ECDP)


def count_noted(warehouse: Warehouse) -> int:
    with opened(warehouse) as adapter:
        return record(adapter, loader(warehouse), ECDP)


def test_only_changes_are_recorded(warehouse: Warehouse) -> None:
    first = [
        order("1", "2026-03-01", "10.10", "Email"),
        order("2", "2026-03-01", "5", "Email"),
        order("3", "2026-03-01", "7", "SMS"),
        order("4", "2026-03-02", None, None),
    ]
    load(warehouse, TAP, ORDERS, *first)
    assert count_noted(warehouse) == 3
    assert count_noted(warehouse) == 0
    load(warehouse, TAP, ORDERS, order("3", "2026-03-01", "6.5", "Email"))
    assert count_noted(warehouse) == 2
    assert count_noted(warehouse) == 0

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
    first_at, second_at = sorted({each.noted_at for each in found})
    assert datetime.now(UTC) - timedelta(minutes=5) < first_at < second_at < datetime.now(UTC)


def test_rows_of_an_incomplete_run_are_recorded_after_the_next_one(warehouse: Warehouse) -> None:
    one, other = order("1", "2026-03-01", "1", "SMS"), order("2", "2026-03-01", "2", "SMS")
    load(
        warehouse,
        TAP,
        ORDERS,
        one,
        '{"type": "STATE", "value": 1, "complete": false}',
        "no message",
        fails=True,
    )
    assert count_noted(warehouse) == 0
    load(warehouse, TAP, ORDERS, one, other)
    assert count_noted(warehouse) == 1
    assert [each.figure.revenue for each in noted(warehouse)] == [Decimal(3)]


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
    )
    with opened(warehouse, tap) as adapter:
        found = figures(adapter, loader(warehouse), ATTRIBUTION_IO)
    assert found == {
        Key(DAY, "Paid", None): Figure(Decimal("0.25"), Decimal(20)),
        Key(DAY, "Direct", None): Figure(Decimal("0.75"), Decimal(60)),
    }


def test_missing_tables_and_columns_are_named(warehouse: Warehouse) -> None:
    load(warehouse, "tap-attribution-io", EVENTS, event(1, "2026-03-01"))
    with opened(warehouse, "tap-attribution-io") as adapter:
        assert missing(ECDP, adapter) == "the table attributed_orders does not exist"
        assert missing(ATTRIBUTION_IO, adapter) == "the table event_attributions does not exist"
        assert record(adapter, loader(warehouse), ATTRIBUTION_IO) == 0
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


def test_a_day_that_still_goes_on_is_not_restated() -> None:
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
        DAY,
        Decimal(70),
        [Movement(DAY, at(10), Decimal(-10), Decimal(0), {"SMS": Decimal(-10)})],
    )
