"""The orders of all websites, as they come in and change from day to day."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

from attribution_elt.sandbox.ecdp import catalogue

RESTATED_FOR_DAYS = 30
LATE_SHARE = 0.05  # of a day's new orders are credited only on a later day


@dataclass(eq=False)
class Order:
    """An order as the vendor shows it, and the instant it was placed."""

    placed: datetime
    record: dict[str, Any]

    @property
    def day(self) -> date:
        """The day, in UTC, under which the order is reported."""
        return self.placed.date()

    @property
    def place(self) -> tuple[datetime, int, str]:
        """Where the order stands among others."""
        return self.placed, self.record["websiteId"], self.record["orderId"]


class OrderBook:
    """All orders from a first day on; what is in it depends on the seed and the days alone."""

    def __init__(
        self,
        randomness: Callable[..., random.Random],
        first_day: date,
        orders_per_day: int,
        restated_share: float,
        vanishing_share: float,
    ) -> None:
        self._random = randomness
        self._next_day = first_day
        self._first_day = first_day
        self._orders_per_day = orders_per_day
        self._restated_share = restated_share
        self._vanishing_share = vanishing_share
        self._days: defaultdict[date, list[Order]] = defaultdict(list)
        self._numbers: Counter[int] = Counter()

    def catch_up(self, today: date) -> None:
        """Live through all days before today."""
        while self._next_day < today:
            day = self._next_day
            rng = self._random("orders", day)
            self._restate(rng, day)
            self._take_orders(rng, day)
            self._next_day += timedelta(1)

    def between(self, start: date, end: date) -> Iterator[Order]:
        """Give the orders placed from one day to another, both included."""
        for day, orders in self._days.items():
            if start <= day <= end:
                yield from orders

    def _take_orders(self, rng: random.Random, day: date) -> None:
        if is_quiet(day):
            return
        for _ in range(round(self._orders_per_day * rng.uniform(0.7, 1.3))):
            late = timedelta(rng.randint(1, 5)) if rng.random() < LATE_SHARE else timedelta()
            placed = _moment(rng, max(day - late, self._first_day))
            if not is_quiet(placed.date()):
                self._days[placed.date()].append(self._new_order(rng, placed))

    def _new_order(self, rng: random.Random, placed: datetime) -> Order:
        website = rng.choice(catalogue.WEBSITES)
        self._numbers[website.id] += 1
        lines = [catalogue.line(rng) for _ in range(rng.choice((1, 1, 2, 3, 5)))]
        total = sum((each["price"] * each["quantity"] for each in lines), Decimal())
        attributes = catalogue.order_attributes(rng)
        record = {
            "orderId": str(100000 + self._numbers[website.id]),
            "orderDateTime": _spelling(rng, placed),
            "websiteId": website.id,
            **catalogue.message(rng),
            "customer": catalogue.customer(rng),
            "orderValueConverted": total * website.rate,
            "originalTotalValue": total,
            "originalCurrency": website.currency,
            "productsCount": len(lines),
            **({"orderAttributes": attributes} if attributes else {}),
            "orderDetails": lines,
        }
        return Order(placed, record)

    def _restate(self, rng: random.Random, today: date) -> None:
        days = [today - timedelta(back) for back in range(RESTATED_FOR_DAYS, 0, -1)]
        recent = [order for day in days for order in self._days.get(day, ())]
        for order in rng.sample(recent, round(len(recent) * self._restated_share)):
            change = rng.choice((self._reattribute, self._return, self._move))
            change(rng, order, today)
        for order in rng.sample(recent, round(len(recent) * self._vanishing_share)):
            self._days[order.day].remove(order)

    def _reattribute(self, rng: random.Random, order: Order, _: date) -> None:
        order.record.update(catalogue.message(rng))

    def _return(self, rng: random.Random, order: Order, _: date) -> None:
        lines = list(order.record["orderDetails"])
        place = rng.randrange(len(lines))
        returned = rng.randint(1, max(1, int(lines[place]["quantity"])))
        lines[place] = lines[place] | {"returned": returned}
        order.record["orderDetails"] = lines

    def _move(self, rng: random.Random, order: Order, today: date) -> None:
        """Shops send the day of the last change as the order's date."""
        if is_quiet(today):
            return
        self._days[order.day].remove(order)
        order.placed = _moment(rng, today)
        order.record["orderDateTime"] = _spelling(rng, order.placed)
        self._days[today].append(order)


def is_quiet(day: date) -> bool:
    """Tell whether a day is without any order: every thirteenth is."""
    return day.toordinal() % 13 == 0


def _moment(rng: random.Random, day: date) -> datetime:
    midnight = datetime.combine(day, time(), UTC)
    return midnight + timedelta(seconds=rng.randrange(86400), milliseconds=rng.randrange(1000))


def _spelling(rng: random.Random, moment: datetime) -> str:
    """Write a moment as the vendor does: mostly in whole seconds and UTC, but not always."""
    precision = rng.choices(("seconds", "milliseconds"), (95, 5))[0]
    hours = rng.choices((0, -5, 2, 9), (94, 2, 2, 2))[0]
    local = moment.astimezone(timezone(timedelta(hours=hours)))
    return local.isoformat(timespec=precision).replace("+00:00", "Z")
