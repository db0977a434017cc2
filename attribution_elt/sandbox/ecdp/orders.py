"""The orders of all websites, and their changes from day to day."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import cache
from itertools import compress
from typing import Any

from typing_extensions import override

from attribution_elt.sandbox.ecdp import catalogue
from attribution_elt.sandbox.exact_json import documented
from attribution_elt.sandbox.simulation import Simulation

RESTATED_FOR_DAYS = 30
CHANGING_DAYS = 25  # days for which an order may be deleted, moved or lose lines
LATE_SHARE = 0.05  # share of a day's new orders that the vendor credits some days later

Key = tuple[int, str]  # website id and order id
Purchase = tuple[datetime, str]  # time and transaction id of a purchase in another vendor's data


@dataclass(eq=False)
class Order:
    """An order as the vendor shows it, the time of the order, and the day it appeared."""

    placed: datetime
    record: dict[str, Any]
    came: date = date.min

    @property
    def key(self) -> Key:
        """The website's id and the order's id."""
        return self.record["websiteId"], self.record["orderId"]

    @property
    def day(self) -> date:
        """The day, in UTC, under which the order is reported."""
        return self.placed.date()

    @property
    def place(self) -> tuple[datetime, int, str]:
        """The sort key of the order."""
        return self.placed, *self.key

    def with_lines(self, kept: Sequence[bool]) -> dict[str, Any]:
        """Return the record with some of its lines, and with the sums of these lines."""
        if all(kept):
            return self.record
        lines = list(compress(self.record["orderDetails"], kept))
        total = _total(lines)
        return self.record | {
            "orderValueConverted": total * catalogue.rate(self.record["websiteId"]),
            "originalTotalValue": total,
            "productsCount": len(lines),
            "orderDetails": lines,
        }


@cache
def documented_orders() -> tuple[Order, ...]:
    """Return the orders of website 21, from the two sample responses of the document."""
    return tuple(
        Order(datetime.fromisoformat(each["orderDateTime"]), each)
        for each in documented(__package__)
    )


class OrderBook(Simulation):
    """All orders from a first day on."""

    def __init__(
        self,
        randomness: Callable[..., random.Random],
        first_day: date,
        orders_per_day: int,
        restated_share: float,
        moved_share: float,
        *,
        purchases: Callable[[date], Sequence[Purchase]],
    ) -> None:
        super().__init__(first_day)
        self._random = randomness
        self._first_day = first_day
        self._orders_per_day = orders_per_day
        self._restated_share = restated_share
        self._moved_share = moved_share
        self._purchases = purchases
        self._days: defaultdict[date, list[Order]] = defaultdict(list)
        self._numbers: Counter[int] = Counter()

    @override
    def simulate(self, day: date) -> None:
        rng = self._random("orders", day)
        self._restate(rng, day)
        self._move_some(day)
        self._add_orders(rng, day)

    def between(self, start: date, end: date) -> Iterator[Order]:
        """Yield the orders dated between two days, both included."""
        for day, orders in self._days.items():
            if start <= day <= end:
                yield from orders

    def move(self, key: Key, day: date) -> None:
        """Change an order's date to another day."""
        orders = {order.key: order for orders in self._days.values() for order in orders}
        self._redate(self._random("move", *key, day), orders[key], day)

    def _add_orders(self, rng: random.Random, day: date) -> None:
        if is_quiet(day):
            return
        for _ in range(round(self._orders_per_day * rng.uniform(0.7, 1.3))):
            late = timedelta(rng.randint(1, 5)) if rng.random() < LATE_SHARE else timedelta()
            placed = _moment(rng, max(day - late, self._first_day))
            if not is_quiet(placed.date()):
                self._days[placed.date()].append(self._new_order(rng, placed, day))
        for moment, transaction_id in self._purchases(day):
            own = self._random("purchase", transaction_id)
            placed = moment + timedelta(seconds=own.randint(0, 90))
            if placed.date() == day:
                order = self._new_order(own, placed, day)
                order.record["orderId"] = transaction_id
                self._days[day].append(order)

    def _new_order(self, rng: random.Random, placed: datetime, came: date) -> Order:
        website = rng.choice(catalogue.WEBSITES)
        self._numbers[website.id] += 1
        lines = [catalogue.line(rng) for _ in range(rng.choice((1, 1, 2, 3, 5)))]
        total = _total(lines)
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
        return Order(placed, record, came)

    def _recent(self, today: date, days: int) -> list[Order]:
        past = [today - timedelta(back) for back in range(days, 0, -1)]
        return [order for day in past for order in self._days.get(day, ())]

    def _restate(self, rng: random.Random, today: date) -> None:
        recent = self._recent(today, RESTATED_FOR_DAYS)
        for order in rng.sample(recent, round(len(recent) * self._restated_share)):
            change = rng.choice((self._reattribute, self._return, self._move))
            change(rng, order, today)

    def _move_some(self, today: date) -> None:
        """Move some recent orders to another recent day, but not before the day they appeared."""
        rng = self._random("moves", today)
        for order in self._recent(today, CHANGING_DAYS) if self._moved_share else ():
            to = max(order.came, today - timedelta(rng.randrange(CHANGING_DAYS)))
            if rng.random() < self._moved_share and not is_quiet(to):
                self._redate(rng, order, to)

    def _reattribute(self, rng: random.Random, order: Order, _: date) -> None:
        order.record.update(catalogue.message(rng))

    def _return(self, rng: random.Random, order: Order, _: date) -> None:
        lines = list(order.record["orderDetails"])
        place = rng.randrange(len(lines))
        returned = rng.randint(1, max(1, int(lines[place]["quantity"])))
        lines[place] = lines[place] | {"returned": returned}
        order.record["orderDetails"] = lines

    def _move(self, rng: random.Random, order: Order, today: date) -> None:
        """Change an order's date to today, as shops do that send the day of the last change."""
        if not is_quiet(today):
            self._redate(rng, order, today)

    def _redate(self, rng: random.Random, order: Order, day: date) -> None:
        self._days[order.day].remove(order)
        order.placed = _moment(rng, day)
        order.record["orderDateTime"] = _spelling(rng, order.placed)
        self._days[day].append(order)


def is_quiet(day: date) -> bool:
    """Return whether a day has no orders, as every thirteenth day does."""
    return day.toordinal() % 13 == 0


def _total(lines: Sequence[dict[str, Any]]) -> Decimal:
    return sum((each["price"] * each["quantity"] for each in lines), Decimal())


def _moment(rng: random.Random, day: date) -> datetime:
    midnight = datetime.combine(day, time(), UTC)
    return midnight + timedelta(seconds=rng.randrange(86400), milliseconds=rng.randrange(1000))


def _spelling(rng: random.Random, moment: datetime) -> str:
    """Format a time: mostly in whole seconds and UTC, sometimes otherwise."""
    precision = rng.choices(("seconds", "milliseconds"), (95, 5))[0]
    hours = rng.choices((0, -5, 2, 9), (94, 2, 2, 2))[0]
    local = moment.astimezone(timezone(timedelta(hours=hours)))
    return local.isoformat(timespec=precision).replace("+00:00", "Z")
