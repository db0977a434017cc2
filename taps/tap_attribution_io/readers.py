"""Reader and streams of Attribution.io: one response for each customer."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from itertools import chain, islice
from typing import Any

from typing_extensions import override

from attribution_elt.core.dates import instant, now_text
from attribution_elt.kit.claims import Claim
from attribution_elt.kit.errors import UnitError
from attribution_elt.kit.http.request import Request
from attribution_elt.kit.http.response import JsonResponse
from attribution_elt.kit.reader import Reader
from attribution_elt.kit.run import Run
from attribution_elt.kit.stream import VendorStream
from tap_attribution_io.client import ACCOUNT, AttributionClient
from tap_attribution_io.customer_ids import CustomerOrder, client_ids

FLAGS = {
    "show_events": {"events", "event_attributions"},
    "show_pageviews": {"pageviews"},
    "show_touchpoints": {"touchpoints"},
    "show_identities": {"identities"},
}
"""The streams that need each flag of a request."""
COUNTED = ("events", "pageviews", "touchpoints")
"""The streams of which the summary has a count, such as `events_count`."""
FIXED_COUNTS = {f"{name}_count" for name in COUNTED}
"""Counts of the summary that do not belong to an event type."""
MOST_NAMED = 20
"""Maximum number of unknown customers that the warning names."""
MOST_PENDING = 10_000
"""Maximum number of unknown customers that wait for a known one before their rows are claimed."""
MOST_TESTED = 20
"""Maximum number of customers that a connection test requests: some may have no rows."""

_ATTRIB = re.compile(r"(\d+)_attrib")
_COUNT = re.compile(r"(.+)_count")


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer to request.

    Attributes:
        place: position of the customer in the order of a run.
        client_id: id of the customer; "" marks the end of the run and is not sent.
    """

    place: str = ""
    client_id: str = ""


class Customers(Reader[AttributionClient, Customer, JsonResponse | None]):
    """Requests each customer once, with only the flags that the selected streams need.

    The state of each stream has the progress of the run (`after`, `order`, `started`,
    `incomplete`) and the start of the last complete run (`completed`).
    """

    lookahead = 1  # after an interruption only the customers in flight are requested again

    def __init__(self, run: Run[AttributionClient], streams: Sequence[VendorStream]) -> None:
        super().__init__(run, streams)
        self._client = run.clients[ACCOUNT]
        self._flags = {
            flag: "true" for flag, needed_by in FLAGS.items() if needed_by & self.streams.keys()
        }
        self._unknown: list[str] = []
        self._unknown_count = 0
        self._is_known = False  # whether the vendor has found a customer of this run
        self._pending: list[str] = []
        self._delivered: list[Claim] = []
        self._order = CustomerOrder(run.config["secret"])
        states = [stream.stream_state for stream in streams]
        # places of another key cannot be compared, so the run starts over
        self._resumes = bool(states) and all(
            state.get("after") and state.get("order") == self._order.fingerprint for state in states
        )
        self._after = min(state["after"] for state in states) if self._resumes else ""
        now = now_text()
        starts = [state.get("started") or "" for state in states]
        self._started = min(starts) if self._resumes else now
        self._incomplete = self._resumes and any(state.get("incomplete") for state in states)

    @override
    def units(self) -> Iterator[Customer]:
        completed = [each.stream_state.get("completed") for each in self.streams.values()]
        since = min(map(str, completed)) if all(completed) else "1970-01-01T00:00:00Z"
        ids = self._order.sorted(client_ids(self.run.config, instant(since)))
        if ids.unusable:
            self.run.warn_once(f"customers that no URL can name, not requested: {ids.unusable}")
        self.run.logger.info(
            "%d customers%s", len(ids), ", resuming an interrupted run" if self._resumes else ""
        )
        self.total = ids.count_after(self._after)
        rest = ids.after(self._after)
        for place, client_id in islice(rest, MOST_TESTED if self.testing else None):
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
            self._count_unknown(unit)
            return
        customer = answer.document["customer"]
        client_id = customer.get("client_id") or unit.client_id
        complete = _complete_streams(answer)
        rows: Counter[str] = Counter()
        for name, row in chain(_activities(answer, complete), _results(customer)):
            rows[name] += 1
            if name in self.streams:
                self.streams[name].emit(row, client_id=client_id)
        self._compare(unit, customer.get("summary"), rows, complete)
        self._delivered = [Claim(name, {"client_id": client_id}) for name in sorted(complete)]
        if str(client_id) != unit.client_id:  # the customer was merged into another one
            self._delivered += self._nothing_of(unit.client_id)
        answer.close()

    def _compare(
        self, unit: Customer, summary: Any, rows: Counter[str], complete: set[str]
    ) -> None:
        """Compare the counts of the summary with the rows of the lists that arrived.

        The vendor's own example has more rows than its count: six pageviews and 0.
        """
        if not isinstance(summary, dict):
            return
        about, compare = f"customer {self._name(unit)}", self.run.totals.compare
        for name in (each for each in COUNTED if each in complete):
            count = f"{name}_count"
            compare(name, about, count, summary.get(count), rows[name], or_more=True)

    @override
    def claims(self, unit: Customer, answer: JsonResponse | None) -> Iterator[Claim]:
        """Yield the claims of a customer; those of an unknown customer remove all of its rows.

        If every customer of the run is unknown, the account is at fault rather than the customers.
        """
        if answer is not None:
            self._is_known = True
            yield from self._delivered
        elif unit.client_id and len(self._pending) < MOST_PENDING:
            self._pending.append(unit.client_id)
        if self._is_known:
            for client_id in self._pending:
                yield from self._nothing_of(client_id)
            self._pending.clear()

    def _nothing_of(self, client_id: str) -> list[Claim]:
        return [Claim(name, {"client_id": client_id}) for name in self.streams]

    @override
    def on_failure(self, unit: Customer, error: UnitError) -> None:
        super().on_failure(unit, error)
        self._incomplete = True

    @override
    def on_complete(self, unit: Customer) -> None:
        run: dict[str, Any]
        if unit.client_id:
            run = {"after": unit.place, "order": self._order.fingerprint}
            run |= {"started": self._started, "incomplete": self._incomplete}
        else:
            run = {"after": "", "order": "", "started": "", "incomplete": False}
            # an incomplete run does not move it, so that the next run requests the failed customers
            run |= {} if self._incomplete else {"completed": self._started}
            self._report_unknown()
        for stream in self.streams.values():
            stream.stream_state.update(run)

    def _name(self, unit: Customer) -> str:
        """Return the customer's name in logs: a hash if it is an address or personal data."""
        return self._order.public_name(unit.client_id, masked=self.run.personal_data.active)

    def _count_unknown(self, unit: Customer) -> None:
        if unit.client_id:
            self._unknown_count += 1
            if len(self._unknown) < MOST_NAMED:
                self._unknown.append(self._name(unit))

    def _report_unknown(self) -> None:
        if self._unknown:
            more = self._unknown_count - len(self._unknown)
            self.run.logger.warning(
                "%d customers are unknown to Attribution.io: %s%s",
                self._unknown_count,
                ", ".join(self._unknown),
                f" and {more} more" if more else "",
            )


def _complete_streams(answer: JsonResponse) -> set[str]:
    """Return the streams of which a response has all rows: a list may be absent."""
    complete = {path.removeprefix("customer.") for path in answer.lists}
    if "events" in complete:
        complete.add("event_attributions")
    summary = answer.document["customer"].get("summary")
    if isinstance(summary, dict):
        complete.add("customer_event_counts")
        lists = [value for name, value in summary.items() if _ATTRIB.fullmatch(name)]
        if all(isinstance(each, list) for each in lists):
            complete.add("customer_attributions")
    return {*complete, "customers"}


def _activities(answer: JsonResponse, complete: set[str]) -> Iterator[tuple[str, Any]]:
    """Yield stream and row for each entry of a customer's lists.

    The stream `event_attributions` is removed from `complete` if an event came without its
    attribution.
    """
    for event in answer.rows("customer.events"):
        whole = isinstance(event, dict) and isinstance(event.get("attribution_model_outputs"), list)
        if not whole:
            complete.discard("event_attributions")
        outputs = _list(event, "attribution_model_outputs") if isinstance(event, dict) else ()
        yield "events", event
        yield from (("event_attributions", output) for output in outputs)
    for name in ("pageviews", "touchpoints"):
        yield from ((name, row) for row in answer.rows(f"customer.{name}"))
    for number, identity in enumerate(answer.rows("customer.identities"), 1):
        row = identity if isinstance(identity, dict) else {"value": identity}
        yield "identities", {"identity_number": number, **row}


def _results(customer: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield stream and row for each part of a customer's summary, then for the customer."""
    summary = customer.get("summary")
    if isinstance(summary, dict):
        yield from (("customer_attributions", row) for row in _attributions(summary))
        yield from (("customer_event_counts", row) for row in _event_counts(summary))
    yield "customers", customer


def _list(owner: dict[str, Any], name: str) -> list[Any]:
    """Remove a list from an object and return it; return an empty one if it is not a list."""
    return owner.pop(name) if isinstance(owner.get(name), list) else []


def _attributions(summary: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name in [name for name in summary if _ATTRIB.fullmatch(name)]:
        times: Counter[tuple[Any, ...]] = Counter()
        for entry in _list(summary, name):
            row = entry if isinstance(entry, dict) else {"value": entry}
            key = {each: row.get(each) or 0 for each in ("medium_id", "source_id")}
            same = tuple(map(str, key.values()))
            times[same] += 1
            event_type_id = name.removesuffix("_attrib")
            yield {**row, **key, "event_type_id": event_type_id, "entry_number": times[same]}


def _event_counts(summary: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name in [name for name in summary if _COUNT.fullmatch(name)]:
        if name not in FIXED_COUNTS:
            event_type = name.removesuffix("_count")
            is_id = event_type.isascii() and event_type.isdigit()
            counted_by = "event_type_id" if is_id else "event_type_name"
            yield {"event_type": event_type, counted_by: event_type, "count": summary.pop(name)}


class CustomerStream(VendorStream):
    """A customer, with the fixed part of the summary flattened."""

    name = "customers"
    primary_keys = ("client_id",)
    reader = Customers


class CustomerAttributions(VendorStream):
    """An entry of a summary's attribution of one event type."""

    name = "customer_attributions"
    primary_keys = ("client_id", "event_type_id", "medium_id", "source_id", "entry_number")
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
