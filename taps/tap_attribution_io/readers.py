"""Attribution.io's streams: what one customer's answer holds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from itertools import chain, islice
from typing import Any

from typing_extensions import override

from attribution_elt.core.dates import instant, now_text
from attribution_elt.kit.errors import UnitError
from attribution_elt.kit.http.client import Request
from attribution_elt.kit.http.response import JsonResponse
from attribution_elt.kit.reader import Reader
from attribution_elt.kit.tap import VendorStream, VendorTap
from tap_attribution_io.client import ACCOUNT, AttributionClient
from tap_attribution_io.customer_ids import CustomerList, client_ids, public_name

FLAGS = {
    "show_events": {"events", "event_attributions"},
    "show_pageviews": {"pageviews"},
    "show_touchpoints": {"touchpoints"},
    "show_identities": {"identities"},
}
"""What each flag of a request is needed for."""
FIXED_COUNTS = {"events_count", "pageviews_count", "touchpoints_count"}
"""Counts of the summary that are not of one event type."""
MOST_NAMED = 20
"""Unknown customers that the warning names at most."""

MOST_TESTED = 20
"""Customers that a connection test asks for at most: a stream may have no row in any of them."""

_ATTRIB = re.compile(r"(\d+)_attrib")
_COUNT = re.compile(r"(.+)_count")


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer to ask for; `place` is where it stands in the order of a run.

    One without an id asks for nothing: it stands at the end.
    """

    place: str = ""
    client_id: str = ""


class Customers(Reader[Customer, JsonResponse | None]):
    """Asks for each customer once, with just the flags that the selected streams need.

    The state of each stream holds how far the run has come (`after`, `started`, `gaps`) and when
    the last complete one began (`completed`).
    """

    lookahead = 1  # an interrupted run costs no customer twice but those in flight

    def __init__(self, tap: VendorTap, streams: list[VendorStream]) -> None:
        super().__init__(tap, streams)
        client = tap.clients[ACCOUNT]
        assert isinstance(client, AttributionClient)  # noqa: S101 - narrows the type
        self._client = client
        self._flags = {
            flag: "true" for flag, needed_by in FLAGS.items() if needed_by & self.streams.keys()
        }
        self._unknown: list[str] = []
        self._unknown_count = 0
        places = [stream.stream_state.get("after") for stream in streams]
        self._resumes = bool(places) and all(places)
        self._after = min(filter(None, places)) if self._resumes else ""
        starts = [stream.stream_state.get("started") or "" for stream in streams]
        self._started = min(starts) if self._resumes else now_text()
        self._gaps = self._resumes and any(each.stream_state.get("gaps") for each in streams)

    @override
    def units(self) -> Iterator[Customer]:
        completed = [each.stream_state.get("completed") for each in self.streams.values()]
        since = min(map(str, completed)) if all(completed) else "1970-01-01T00:00:00Z"
        customers = CustomerList(client_ids(self.tap.config, instant(since)))
        self.tap.logger.info(
            "%d customers%s", len(customers), ", going on where it was" if self._resumes else ""
        )
        self.total = customers.count_after(self._after)
        known = customers.after(self._after)
        for place, client_id in islice(known, MOST_TESTED if self.testing else None):
            yield Customer(place, client_id)
        yield Customer()

    @override
    def is_request(self, unit: Customer) -> bool:
        return bool(unit.client_id)

    @override
    def fetch(self, unit: Customer) -> JsonResponse | None:
        if not unit.client_id:
            return None
        path, about = self._client.path(unit.client_id), f"customer {self._name(unit)}"
        try:
            return self._client.fetch(Request(path, about, params=self._flags))
        except UnitError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    @override
    def emit(self, unit: Customer, answer: JsonResponse | None) -> None:
        if answer is None:
            self._note_unknown(unit)
            return
        customer = answer.document["customer"]
        client_id = customer.get("client_id") or unit.client_id
        for name, row in chain(_activities(answer), _results(customer)):
            if name in self.streams:
                self.streams[name].emit(row, client_id=client_id)
        answer.close()

    @override
    def on_failure(self, unit: Customer, error: UnitError) -> None:
        super().on_failure(unit, error)
        self._gaps = True

    @override
    def on_complete(self, unit: Customer) -> None:
        if unit.client_id:
            run = {"after": unit.place, "started": self._started, "gaps": self._gaps}
        else:
            # what failed must be asked for again: a run with gaps does not count as complete
            run = {"after": "", "started": "", "gaps": False}
            run |= {} if self._gaps else {"completed": self._started}
            self._tell_unknown()
        for stream in self.streams.values():
            stream.stream_state.update(run)

    def _name(self, unit: Customer) -> str:
        """Return a customer's name for logs: none where it is an address, or masked in rows."""
        return public_name(unit.client_id, masked=self.tap.personal_data.active)

    def _note_unknown(self, unit: Customer) -> None:
        if unit.client_id:
            self._unknown_count += 1
            if len(self._unknown) < MOST_NAMED:
                self._unknown.append(self._name(unit))

    def _tell_unknown(self) -> None:
        if self._unknown:
            more = self._unknown_count - len(self._unknown)
            self.tap.logger.warning(
                "%d customers are unknown to Attribution.io: %s%s",
                self._unknown_count,
                ", ".join(self._unknown),
                f" and {more} more" if more else "",
            )


def _activities(answer: JsonResponse) -> Iterator[tuple[str, Any]]:
    """Yield the rows of a customer's lists, each with its stream."""
    for event in answer.rows("customer.events"):
        outputs = _list(event, "attribution_model_outputs") if isinstance(event, dict) else ()
        yield "events", event
        yield from (("event_attributions", output) for output in outputs)
    for name in ("pageviews", "touchpoints"):
        yield from ((name, row) for row in answer.rows(f"customer.{name}"))
    for number, identity in enumerate(answer.rows("customer.identities"), 1):
        row = identity if isinstance(identity, dict) else {"value": identity}
        yield "identities", {"identity_number": number, **row}


def _results(customer: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the rows of a customer's summary, and the customer, each with its stream."""
    summary = customer.get("summary")
    if isinstance(summary, dict):
        yield from (("customer_attributions", row) for row in _attributions(summary))
        yield from (("customer_event_counts", row) for row in _event_counts(summary))
    yield "customers", customer


def _list(owner: dict[str, Any], name: str) -> list[Any]:
    """Take a list out of an object, where it is one."""
    return owner.pop(name) if isinstance(owner.get(name), list) else []


def _attributions(summary: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name in [name for name in summary if _ATTRIB.fullmatch(name)]:
        listed = _list(summary, name)
        entries = [each for each in listed if isinstance(each, dict)]
        if len(entries) < len(listed):  # what is no entry has no key: they share one
            entries.append({"values": [each for each in listed if not isinstance(each, dict)]})
        for entry in entries:
            key = {id_: entry.get(id_) or 0 for id_ in ("medium_id", "source_id")}
            yield {**entry, **key, "event_type_id": name.removesuffix("_attrib")}


def _event_counts(summary: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name in [name for name in summary if _COUNT.fullmatch(name)]:
        if name not in FIXED_COUNTS:
            yield {"event_type": name.removesuffix("_count"), "count": summary.pop(name)}


class CustomerStream(VendorStream):
    """A customer, with the fixed part of the summary flattened."""

    name = "customers"
    primary_keys = ("client_id",)
    reader = Customers


class CustomerAttributions(VendorStream):
    """An entry of a summary's attribution of one event type."""

    name = "customer_attributions"
    primary_keys = ("client_id", "event_type_id", "medium_id", "source_id")
    reader = Customers


class CustomerEventCounts(VendorStream):
    """The count of one event type in a summary."""

    name = "customer_event_counts"
    primary_keys = ("client_id", "event_type")
    reader = Customers


class Events(VendorStream):
    """An event."""

    name = "events"
    primary_keys = ("id",)
    reader = Customers


class EventAttributions(VendorStream):
    """One of an event's attribution model outputs."""

    name = "event_attributions"
    primary_keys = ("id",)
    reader = Customers


class Pageviews(VendorStream):
    """A pageview."""

    name = "pageviews"
    primary_keys = ("id",)
    reader = Customers


class Touchpoints(VendorStream):
    """A touchpoint."""

    name = "touchpoints"
    primary_keys = ("id",)
    reader = Customers


class Identities(VendorStream):
    """One of a customer's identities."""

    name = "identities"
    primary_keys = ("client_id", "identity_number")
    reader = Customers
