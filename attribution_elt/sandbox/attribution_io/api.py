"""The one endpoint and its rules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from http import HTTPStatus
from typing import Any

from attribution_elt.sandbox.attribution_io.catalogue import PURCHASE
from attribution_elt.sandbox.attribution_io.client_ids import client_id, customer_number
from attribution_elt.sandbox.attribution_io.customer import Options, customer
from attribution_elt.sandbox.exact_json import documented
from attribution_elt.sandbox.messages import Request, Response
from attribution_elt.sandbox.vendor import Clock, RefusalError, Route, Vendor

DOCUMENTED: dict[str, Any] = documented(__package__)["customer"]
ARRAYS = ("events", "pageviews", "touchpoints", "identities")
MERGE_DISTANCE = 3  # between the numbers of a merged customer and the one it is merged into


class AttributionIo(Vendor):
    """The document's customer MrSmith and any number of generated customers, computed on request.

    Withdrawals delete customers, merge them into others, remove parts of a timeline and recompute
    attributions under new ids: `withdraw("customer", client_id)`, `("visit", touchpoint_id)`,
    `("pageview", id)`, `("event", id)`, `("identity", client_id, index)`, `merge` and `recompute`.
    A request for a merged customer returns the customer that it was merged into.
    """

    name = "attribution-io"
    root = "/api/v1"
    secrets = ("public_key", "secret")

    def __init__(self, seed: int, clock: Clock) -> None:
        super().__init__(seed, clock)
        self.public_key = f"sandbox-{self.name}-public-key"
        self.secret = f"sandbox-{self.name}-secret"
        self.disabled = False  # True: an unpaid account, refused with 403
        self.customer_count = 100  # generated customers
        self.pageviews_per_visit = 3  # average
        self.all_models = False  # True: each event is attributed by both models
        self.split_attributions = False  # True: summaries do not add up weights of equal sources
        self._merges: list[tuple[date, int, int]] = []
        self._purchases: tuple[date, defaultdict[date, list[tuple[datetime, str]]]] | None = None

    @property
    def client_ids(self) -> list[str]:
        """The ids of all customers, deleted and merged ones included."""
        generated = (client_id(number) for number in range(1, self.customer_count + 1))
        return [DOCUMENTED["client_id"], *generated]

    def routes(self) -> Sequence[Route]:
        """Return the one endpoint."""
        return [Route("GET", "/api/v1/{public_key}/customers/{client_id}", self._customer)]

    def truth(self) -> list[dict[str, Any]]:
        """Return all current customers with their timelines."""
        truth = []
        for asked in self.client_ids:
            with suppress(KeyError):
                found = self.customer(asked)
                if found["client_id"] == asked:
                    truth.append(found)
        return truth

    def purchases(self, day: date) -> list[tuple[datetime, str]]:
        """Return the times and transaction ids of the purchases of a day in UTC."""
        if self._purchases is None or self._purchases[0] != self.clock.today:
            by_day: defaultdict[date, list[tuple[datetime, str]]] = defaultdict(list)
            for event in (event for each in self.truth() for event in each["events"]):
                if event["event_type_name"] == PURCHASE and event.get("transaction_id"):
                    moment = datetime.fromisoformat(event["created_at"]).astimezone(UTC)
                    by_day[moment.date()].append((moment, event["transaction_id"]))
            self._purchases = self.clock.today, by_day
        return self._purchases[1][day]

    def customer(self, client_id: str) -> dict[str, Any]:
        """Return the customer that a request for an id gets, with the timeline.

        Raises:
            KeyError: The customer does not exist.
        """
        if self.emptied:
            raise KeyError(client_id)
        if client_id == DOCUMENTED["client_id"]:
            return DOCUMENTED
        asked = customer_number(client_id)
        number = self._survivor(asked) if asked is not None and asked in self._numbers else None
        if number is None:
            raise KeyError(client_id)
        merged = [other for other in self._mergeable(number) if self._survivor(other) == number]
        options = Options(self.pageviews_per_visit, self.all_models, self.split_attributions)
        return customer(number, merged, options, self)

    def merge(self, client_id: str, into: str) -> None:
        """Merge a customer into another one, from the current day on."""
        numbers = customer_number(client_id), customer_number(into)
        if numbers[0] not in self._numbers or numbers[1] not in self._numbers:
            raise KeyError(client_id, into)
        self._merges.append((self.clock.today, int(numbers[0] or 0), int(numbers[1] or 0)))

    def recompute(self, event_id: int) -> None:
        """Recompute an event's attribution under new ids, from the current day on."""
        self.withdrawals.repeat(self.clock.today, "recomputed", event_id)

    @property
    def _numbers(self) -> range:
        return range(1, self.customer_count + 1)

    def _mergeable(self, number: int) -> set[int]:
        """Return the numbers of customers that may have been merged into a customer."""
        by_chance = {number - MERGE_DISTANCE} if number % 4 == 0 else set()
        explicit = {merged for _, merged, _ in self._merges} - {number}
        return (by_chance | explicit) & set(self._numbers)

    def _survivor(self, number: int) -> int | None:
        """Return the number under which a customer exists, or None after its deletion.

        By chance, every fourth customer may be merged and half of the customers may be deleted.
        """
        client = client_id(number)
        for day, merged, into in self._merges:
            if merged == number and day <= self.clock.today:
                return self._survivor(into)
        into = number + MERGE_DISTANCE
        may_merge = number % 4 == 1 and into in self._numbers
        if may_merge and self.withdrawals.changes(self.clock.today, "merged", client):
            return into
        may_go = number % 4 in {2, 3}
        return None if self.is_gone("customer", client, days=None if may_go else 0) else number

    def _customer(self, request: Request, public_key: str, client_id: str) -> Response:
        if public_key != self.public_key or request.query.get("secret") != [self.secret]:
            raise RefusalError(HTTPStatus.UNAUTHORIZED, "Check your secret and public key")
        if self.disabled:
            raise RefusalError(HTTPStatus.FORBIDDEN, "Your account is disabled")
        try:
            found = self.customer(client_id)
        except KeyError:
            raise RefusalError(HTTPStatus.NOT_FOUND, "Customer not found") from None
        shown = {
            name: value
            for name, value in found.items()
            if name not in ARRAYS or _asked_for(request, name)
        }
        for name in set(shown) & {"events", "pageviews", "touchpoints"}:
            shown[name] = self.in_order(shown[name], client_id, name)
        return self.answer_with({"customer": {**shown, **self.extra}})


def _asked_for(request: Request, array: str) -> bool:
    flags = ("show_all", f"show_{array}")
    return any(request.query.get(flag) == ["true"] for flag in flags)
