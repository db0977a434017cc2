"""The streams of ECDP's order attribution report, and how the report is read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from itertools import product
from math import ceil
from typing import Any, TypeAlias

from typing_extensions import override

from attribution_elt.core.dates import day_of
from attribution_elt.kit.errors import (
    CredentialsError,
    OverloadedError,
    UnitError,
    UnreachableError,
)
from attribution_elt.kit.http.client import Request
from attribution_elt.kit.http.response import JsonResponse
from attribution_elt.kit.reader import Reader
from attribution_elt.kit.tap import VendorStream, VendorTap
from attribution_elt.kit.windows import Window, bookmark_day, windows
from tap_ecdp.client import ACCOUNT, PATH

Part: TypeAlias = JsonResponse | UnitError
"""Orders of some days of a window, with their lines if those are wanted; or why there are none."""


class OrderReport(Reader[Window, list[Part]]):
    """Walks windows of days; one whose days cannot all be had is emitted as far as they can."""

    def __init__(self, tap: VendorTap, streams: list[VendorStream]) -> None:
        super().__init__(tap, streams)
        config = tap.config
        self._client = tap.clients[ACCOUNT]
        self._broken = False
        self._context = {"reporting_currency": config.get("reporting_currency")}
        # no filter is a request without it: enumerating channels would lose those to come
        self._filters = [
            {"websiteId": website, "messageType": kind, "channel": _channel_of(kind)}
            for website, kind in product(
                config.get("website_ids") or [None], config.get("message_types") or [None]
            )
        ]
        self.requests_each = len(self._filters)

    @override
    def units(self) -> Iterator[Window]:
        config = self.tap.config
        today = datetime.now(UTC).date()
        last = min(day_of(config["end_date"]), today) if config.get("end_date") else today
        lookback = timedelta(days=config["lookback_days"])
        first = day_of(config["start_date"])
        if all(stream.bookmark for stream in self.streams.values()):
            # a bookmark in the future, of a clock that was wrong, must not hide the days until then
            reached = min(today, *(bookmark_day(stream) for stream in self.streams.values()))
            first = max(first, reached - min(lookback, reached - date.min))
        days = config["window_days"]
        self.total = ceil(max((last - first).days + 1, 0) / days)
        return windows(first, last, days)

    @override
    def fetch(self, unit: Window) -> list[Part]:
        parts = [part for criteria in self._filters for part in self._ask(unit, criteria)]
        errors = self.missing_parts(parts)
        if len(errors) < len(parts):
            return parts
        errors[0].parts = len(parts)
        raise errors[0]

    @override
    def missing_parts(self, answer: list[Part]) -> list[UnitError]:
        return [part for part in answer if isinstance(part, UnitError)]

    def _ask(self, window: Window, criteria: dict[str, Any]) -> Iterator[Part]:
        """Yield the answers of a window, by halves where the vendor cannot give it at once."""
        try:
            if window.days == 1:
                yield self._ask_day(window.first, criteria)
                return
            yield self._client.fetch(
                self._request(window.first, window.last, criteria, divisible=True)
            )
        except (CredentialsError, UnreachableError):
            raise
        except UnitError as error:
            if window.days == 1 or not isinstance(error, OverloadedError):
                yield error
                return
            self.tap.logger.warning("%s; asking for the halves", error)
            for half in window.halves():
                yield from self._ask(half, criteria)

    def _ask_day(self, day: date, criteria: dict[str, Any]) -> JsonResponse:
        """Return a day's orders.

        The document wants endDate both "later than" startDate and "equal" to it at the least: a
        day is asked for from the day before, which both allow and whose rows are upserted. Only
        where even that is too much, the day is asked for alone, or with the day after: it may be
        the day before that cannot be had.
        """
        before, after = day - timedelta(days=1), day + timedelta(days=1)
        try:
            return self._client.fetch(self._request(before, day, criteria, divisible=True))
        except OverloadedError:
            pass
        try:
            return self._client.fetch(self._request(day, day, criteria))
        except UnitError as error:
            if error.status != HTTPStatus.BAD_REQUEST:
                raise
        try:
            return self._client.fetch(self._request(before, day, criteria))
        except OverloadedError:
            if after > datetime.now(UTC).date():
                raise
            return self._client.fetch(self._request(day, after, criteria))

    def _request(
        self, first: date, last: date, criteria: dict[str, Any], *, divisible: bool = False
    ) -> Request:
        details = "true" if "attributed_order_lines" in self.streams else None
        return Request(
            PATH,
            ", ".join([f"orders of {first}..{last}", *_named(criteria)]),
            params={
                "startDate": first.isoformat(),
                "endDate": last.isoformat(),
                "includeDetails": details,
                **criteria,
            },
            divisible=divisible,
        )

    @override
    def emit(self, unit: Window, answer: list[Part]) -> None:
        for body in answer:
            if isinstance(body, UnitError):
                continue
            for order in body:
                if isinstance(order, dict):
                    self._emit(order)
                else:
                    for stream in self.streams.values():
                        stream.emit(order)
            body.close()

    def _emit(self, order: dict[str, Any]) -> None:
        details = order.pop("orderDetails", None)
        if "attributed_orders" in self.streams:
            self.streams["attributed_orders"].emit(order, **self._context)
        if "attributed_order_lines" in self.streams and details is not None:
            key = {
                "website_id": order.get("websiteId"),
                "order_id": order.get("orderId"),
                "order_date_time": order.get("orderDateTime"),
            }
            lines = details if isinstance(details, list) else [details]
            for number, line in enumerate(lines, 1):
                self.streams["attributed_order_lines"].emit(line, line_number=number, **key)

    @override
    def on_failure(self, unit: Window, error: UnitError) -> None:
        super().on_failure(unit, error)
        self._broken = True

    @override
    def on_complete(self, unit: Window) -> None:
        if not self._broken:  # what follows a gap is emitted, but must not hide it
            for stream in self.streams.values():
                stream.advance(f"{unit.last}T00:00:00Z")


def _named(criteria: dict[str, Any]) -> Iterator[str]:
    """Yield how the filters of a request are called, that of the channel follows from another."""
    if criteria["websiteId"] is not None:
        yield f"website {criteria['websiteId']}"
    if criteria["messageType"] is not None:
        yield criteria["messageType"]


def _channel_of(message_type: str | None) -> str | None:
    return "Email" if message_type == "Confirmation" else None


class AttributedOrders(VendorStream):
    """An order and the message credited with it."""

    name = "attributed_orders"
    primary_keys = ("website_id", "order_id")
    replication_key = "order_date_time"
    reader = OrderReport


class AttributedOrderLines(VendorStream):
    """A product line of such an order."""

    name = "attributed_order_lines"
    primary_keys = ("website_id", "order_id", "line_number")
    replication_key = "order_date_time"
    reader = OrderReport
