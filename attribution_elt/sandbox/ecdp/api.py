"""The report's endpoint and its rules."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from http import HTTPStatus
from typing import Any, Literal

from typing_extensions import override

from attribution_elt.sandbox.ecdp.orders import (
    CHANGING_DAYS,
    Order,
    OrderBook,
    Purchase,
    documented_orders,
)
from attribution_elt.sandbox.messages import Request, Response
from attribution_elt.sandbox.simulation import Change
from attribution_elt.sandbox.vendor import Clock, RefusalError, Route, Vendor, bad_request, day_of

PARAMETERS = (
    *("startDate", "endDate", "websiteId", "channel"),
    *("messageType", "messageId", "includeDetails"),
)
CHANNELS = ("Email", "Sms", "WebPush")
MESSAGE_TYPES = ("Newsletter", "Scenario", "Confirmation")


class Ecdp(Vendor):
    """Orders and the messages credited with them.

    Generated orders belong to the websites 22, 35 and 48. Website 21 has only the two sample orders
    of the document, from March 2025. Both have the same order id, so the later one is the truth.

    Withdrawals delete orders, remove lines from orders and move orders to another day, in the 25
    days after an order appeared. `withdraw("order", website_id, order_id)` deletes an order,
    `withdraw("line", website_id, order_id, index)` removes a line (the first one, 0, always stays).
    """

    name = "ecdp"
    secrets = ("api_key",)

    def __init__(self, seed: int, clock: Clock) -> None:
        super().__init__(seed, clock)
        self.api_key = "sandbox-ecdp-key"
        self.date_rule: Literal["inclusive", "strict"] = "inclusive"  # may startDate equal endDate?
        self.empty_as: Literal["no_content", "list"] = "no_content"
        # Set these before the first request:
        self.orders_per_day = 20
        self.history_days = 60
        self.restated_share = 0.01  # share of the last 30 days' orders that changes each day
        self.shared_share = 0.0  # share of the purchases of `purchases` that are orders here, too
        self.purchases: Callable[[date], Sequence[Purchase]] = lambda _: ()
        self._book: OrderBook | None = None
        self._changes: list[Change] = []

    @property
    def first_day(self) -> date:
        """The day of the first generated orders."""
        return self.clock.start - timedelta(self.history_days)

    def routes(self) -> Sequence[Route]:
        """Return the one endpoint."""
        return [Route("GET", "/reports/attribution/orders", self._report)]

    def truth(self) -> list[dict[str, Any]]:
        """Return all current orders since `first_day`, with details, the oldest first."""
        with self.lock:
            orders = self._orders(self.first_day, date.max)
            latest = {order.key: order for order in orders}
            return [self._shown(order, details=True) for order in latest.values()]

    def move(self, website_id: int, order_id: str, day: date) -> None:
        """Change the date of an order to another day, from the current day on."""
        key = website_id, order_id
        with self.lock:
            self._changes.append(Change(self.clock.today, lambda book: book.move(key, day)))
            self._orders(day, day)

    @override
    def discard_data(self) -> None:
        self._book = None

    def _orders(self, start: date, end: date) -> list[Order]:
        if self.emptied:
            return []
        if self._book is None:
            self._book = OrderBook(
                self.random,
                self.first_day,
                self.orders_per_day,
                self.restated_share,
                self.withdrawals.share,
                purchases=self._shared,
            )
        self._book.catch_up(self.clock.today, self._changes)
        generated = [order for order in self._book.between(start, end) if not self._deleted(order)]
        documented = [order for order in documented_orders() if start <= order.day <= end]
        return sorted([*generated, *documented], key=lambda order: order.place)

    def _shared(self, day: date) -> list[Purchase]:
        if not self.shared_share:
            return []
        return [
            purchase
            for purchase in self.purchases(day)
            if self.random("shared", purchase[1]).random() < self.shared_share
        ]

    def _deleted(self, order: Order) -> bool:
        return self.is_gone("order", *order.key, since=order.came, days=CHANGING_DAYS)

    def _shown(self, order: Order, *, details: bool) -> dict[str, Any]:
        kept = [
            index == 0
            or not self.is_gone("line", *order.key, index, since=order.came, days=CHANGING_DAYS)
            for index, _ in enumerate(order.record.get("orderDetails", ()))
        ]
        record = {**order.with_lines(kept), **self.extra}
        if not details:
            record.pop("orderDetails", None)
        return record

    def _report(self, request: Request) -> Response:
        self._authorise(request)
        query = _single_values(request.query)
        start, end = self._window(query)
        wanted = _filter(query)
        details = _choice(query, "includeDetails", ("true", "false")) == "true"
        orders = [order for order in self._orders(start, end) if wanted(order.record)]
        rows = self.in_order([self._shown(order, details=details) for order in orders], start, end)
        if not rows and self.empty_as == "no_content":
            return Response(HTTPStatus.NO_CONTENT)
        return self.answer_with({"data": rows})

    def _authorise(self, request: Request) -> None:
        if request.headers.get("x-api-key") != self.api_key:
            raise RefusalError(HTTPStatus.UNAUTHORIZED, "API key is missing, invalid, or expired")

    def _window(self, query: dict[str, str]) -> tuple[date, date]:
        start, end = _date(query, "startDate"), _date(query, "endDate")
        if start > end or (start == end and self.date_rule == "strict"):
            rule = "earlier than" if self.date_rule == "strict" else "earlier than or equal to"
            raise bad_request(f"startDate must be {rule} endDate")
        return start, end


def longer_than(days: int) -> Callable[[Request], bool]:
    """Match requests for windows of more than some days, both ends included."""

    def matches(request: Request) -> bool:
        query = {name: values[0] for name, values in request.query.items()}
        try:
            return (_date(query, "endDate") - _date(query, "startDate")).days + 1 > days
        except RefusalError:
            return False

    return matches


def _single_values(query: dict[str, list[str]]) -> dict[str, str]:
    known = {name: values for name, values in query.items() if name in PARAMETERS}
    for name, values in known.items():
        if len(values) > 1:
            raise bad_request(f"{name} is given more than once")
        if not values[0]:
            raise bad_request(f"{name} is empty")
    return {name: values[0] for name, values in known.items()}


def _date(query: dict[str, str], name: str) -> date:
    text = query.get(name)
    if text is None:
        raise bad_request(f"{name} is required")
    return day_of(name, text)


def _choice(query: dict[str, str], name: str, choices: Sequence[str]) -> str | None:
    value = query.get(name)
    if value is not None and value not in choices:
        raise bad_request(f"{name} must be one of {', '.join(choices)}")
    return value


def _positive(query: dict[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not re.fullmatch(r"0*[1-9]\d*", text, re.ASCII):
        raise bad_request(f"{name} must be a positive integer")
    return int(text)


def _filter(query: dict[str, str]) -> Callable[[dict[str, Any]], bool]:
    website_id = _positive(query, "websiteId")
    channel = _choice(query, "channel", CHANNELS)
    message_type = _choice(query, "messageType", MESSAGE_TYPES)
    message_id = _positive(query, "messageId")
    if message_id is not None and channel is None:
        raise bad_request("channel is required when messageId is provided")
    if message_type == "Confirmation" and channel != "Email":
        raise bad_request("messageType Confirmation is valid only when channel is Email")
    wanted = {
        "websiteId": website_id,
        # the filter is Sms, the value in rows is SMS
        "channel": "SMS" if channel == "Sms" else channel,
        "messageType": message_type,
        "messageId": message_id,
    }
    given = {name: value for name, value in wanted.items() if value is not None}
    return lambda record: all(record[name] == value for name, value in given.items())
