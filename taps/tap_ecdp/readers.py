"""Reader and streams of ECDP's order attribution report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from itertools import product
from math import ceil
from typing import Any, TypeAlias

from typing_extensions import override

from attribution_elt.core.dates import day_of
from attribution_elt.kit.claims import Claim, Range
from attribution_elt.kit.errors import (
    CredentialsError,
    OverloadedError,
    UnitError,
    UnreachableError,
)
from attribution_elt.kit.http.request import Request
from attribution_elt.kit.http.response import JsonResponse
from attribution_elt.kit.reader import Reader
from attribution_elt.kit.run import Run
from attribution_elt.kit.stream import VendorStream
from attribution_elt.kit.windows import Window, bookmark_day, windows
from tap_ecdp.client import ACCOUNT, PATH, EcdpClient

Part: TypeAlias = JsonResponse | UnitError
"""Orders of a window or a part of it (with lines if selected), or its error."""


class OrderReport(Reader[EcdpClient, Window, list[Part]]):
    """Reads the report in windows of days.

    If some days of a window fail, the orders of its other days are still written.
    """

    bookmark_settings = ("website_ids", "message_types")

    def __init__(self, run: Run[EcdpClient], streams: Sequence[VendorStream]) -> None:
        super().__init__(run, streams)
        config = run.config
        self._client = run.clients[ACCOUNT]
        self._incomplete = False
        self._lines_missing = False
        self._days = Range(date.max, date.min)
        currency = config.get("reporting_currency")
        self._context = {"reporting_currency": currency} if currency else {}
        # without a filter there is one request: listing the known channels would miss new ones
        self._filters = [
            {"websiteId": website, "messageType": kind, "channel": _channel_of(kind)}
            for website, kind in product(
                config.get("website_ids") or [None], config.get("message_types") or [None]
            )
        ]
        self.requests_each = len(self._filters)

    @override
    def units(self) -> Iterator[Window]:
        config = self.run.config
        today = datetime.now(UTC).date()
        last = min(day_of(config["end_date"]), today) if config.get("end_date") else today
        lookback = timedelta(days=config["lookback_days"])
        first = day_of(config["start_date"])
        if all(stream.bookmark for stream in self.streams.values()):
            # a wrong clock may have set a bookmark in the future: read from today then
            bookmark = min(today, *(bookmark_day(stream) for stream in self.streams.values()))
            first = max(first, bookmark - min(lookback, bookmark - date.min))
        if first > last:
            self.run.warn_once(
                f"no day to read: the first day is {first}, but the last day is {last}; check "
                "start_date and end_date"
            )
        # The document leaves open whether the first and, with an end_date, the last day are read
        # whole. Today must be, because no later window has its orders.
        end = last if config.get("end_date") else last + timedelta(days=1)
        self._days = Range(min(first, last) + timedelta(days=1), end)
        days = config["window_days"]
        self.total = ceil(max((last - first).days + 1, 0) / days)
        return windows(first, last, days)

    @override
    def fetch(self, unit: Window) -> list[Part]:
        parts = [part for filters in self._filters for part in self._fetch_window(unit, filters)]
        errors = self.missing_parts(parts)
        if len(errors) < len(parts):
            return parts
        errors[0].parts = len(parts)
        raise errors[0]

    @override
    def missing_parts(self, answer: list[Part]) -> list[UnitError]:
        return [part for part in answer if isinstance(part, UnitError)]

    def _fetch_window(self, window: Window, filters: dict[str, Any]) -> Iterator[Part]:
        """Yield the responses of a window; split it in halves while the vendor is overloaded."""
        try:
            if window.days == 1:
                yield self._fetch_day(window.first, filters)
                return
            yield self._client.fetch(
                self._request(window.first, window.last, filters, divisible=True)
            )
        except (CredentialsError, UnreachableError):
            raise
        except UnitError as error:
            if window.days == 1 or not isinstance(error, OverloadedError):
                yield error
                return
            self.run.logger.warning("%s; requesting its two halves instead", error)
            for half in window.halves():
                yield from self._fetch_window(half, filters)

    def _fetch_day(self, day: date, filters: dict[str, Any]) -> JsonResponse:
        """Return the orders of a day.

        The document requires both an endDate later than startDate and one that may be equal to it.
        A window that starts the day before satisfies both, and its extra rows are upserted. If that
        window fails with an overload, the day is requested alone, then with the day after: the
        cause may be the day before.
        """
        before, after = day - timedelta(days=1), day + timedelta(days=1)
        try:
            return self._client.fetch(self._request(before, day, filters, divisible=True))
        except OverloadedError:
            pass
        try:
            return self._client.fetch(self._request(day, day, filters))
        except UnitError as error:
            if error.status != HTTPStatus.BAD_REQUEST:
                raise
        try:
            return self._client.fetch(self._request(before, day, filters))
        except OverloadedError:
            if after > datetime.now(UTC).date():
                raise
            return self._client.fetch(self._request(day, after, filters))

    def _request(
        self, first: date, last: date, filters: dict[str, Any], *, divisible: bool = False
    ) -> Request:
        details = "true" if "attributed_order_lines" in self.streams else None
        return Request(
            PATH,
            ", ".join([f"orders of {first}..{last}", *_filter_names(filters)]),
            params={
                "startDate": first.isoformat(),
                "endDate": last.isoformat(),
                "includeDetails": details,
                **filters,
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
                    self._emit_order(order)
                else:
                    for stream in self.streams.values():
                        stream.emit(order)
            body.close()

    def _emit_order(self, order: dict[str, Any]) -> None:
        details = order.pop("orderDetails", None)
        if "attributed_orders" in self.streams:
            self.streams["attributed_orders"].emit(order, **self._context)
        if details is None and order.get("productsCount") != 0:
            self._lines_missing = True
        if "attributed_order_lines" in self.streams and details is not None:
            key = {
                "website_id": order.get("websiteId"),
                "order_id": order.get("orderId"),
                "order_date_time": order.get("orderDateTime"),
            }
            lines = details if isinstance(details, list) else [details]
            for number, line in enumerate(lines, 1):
                self.streams["attributed_order_lines"].emit(line, line_number=number, **key)
            self.run.totals.compare(
                "attributed_order_lines",
                f"order {order.get('orderId')} of website {order.get('websiteId')}",
                "products_count",
                order.get("productsCount"),
                len(lines),
            )

    @override
    def on_failure(self, unit: Window, error: UnitError) -> None:
        super().on_failure(unit, error)
        self._incomplete = True

    @override
    def on_complete(self, unit: Window) -> None:
        if not self._incomplete:  # windows after a failed one are written, but not bookmarked
            for stream in self.streams.values():
                stream.advance(f"{unit.last}T00:00:00Z")

    @override
    def closing_claims(self) -> Iterator[Claim]:
        """Yield one range over all days of the run.

        An order may have moved from one window to another, so windows are not claimed, and nothing
        is claimed if a window failed.
        """
        if self._incomplete or self._days.first >= self._days.end:
            return
        for filters in self._filters:
            where: dict[str, Any] = {"order_date_time": self._days}
            if filters["websiteId"] is not None:
                where["website_id"] = filters["websiteId"]
            if filters["messageType"] is None:
                if not self._lines_missing:
                    yield Claim("attributed_order_lines", where)
                yield Claim("attributed_orders", where)
            else:  # lines have no message type
                yield Claim("attributed_orders", {**where, "message_type": filters["messageType"]})


def _filter_names(filters: dict[str, Any]) -> Iterator[str]:
    """Yield the filters as logs show them; the channel follows from the message type."""
    if filters["websiteId"] is not None:
        yield f"website {filters['websiteId']}"
    if filters["messageType"] is not None:
        yield filters["messageType"]


def _channel_of(message_type: str | None) -> str | None:
    return "Email" if message_type == "Confirmation" else None


class AttributedOrders(VendorStream):
    """An order and the message credited with it."""

    name = "attributed_orders"
    primary_keys = ("website_id", "order_id")
    replication_key = "order_date_time"
    reader = OrderReport


class AttributedOrderLines(VendorStream):
    """A product line of an attributed order."""

    name = "attributed_order_lines"
    primary_keys = ("website_id", "order_id", "line_number")
    replication_key = "order_date_time"
    reader = OrderReport
