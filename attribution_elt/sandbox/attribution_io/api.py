"""The one endpoint and its rules."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from attribution_elt.sandbox.attribution_io import documented
from attribution_elt.sandbox.attribution_io.client_ids import client_id, customer_number
from attribution_elt.sandbox.attribution_io.customer import customer
from attribution_elt.sandbox.messages import Request, Response
from attribution_elt.sandbox.vendor import RefusalError, Route, Vendor

if TYPE_CHECKING:
    from attribution_elt.sandbox.clock import Clock

ARRAYS = ("events", "pageviews", "touchpoints", "identities")


class AttributionIo(Vendor):
    """The document's customer MrSmith and any number of generated ones, none of them stored."""

    name = "attribution-io"
    root = "/api/v1"

    def __init__(self, seed: int, clock: Clock) -> None:
        super().__init__(seed, clock)
        self.public_key = f"sandbox-{self.name}-public-key"
        self.secret = f"sandbox-{self.name}-secret"
        self.disabled = False  # an account that is not paid for: 403
        self.chunked = False
        self.extra: dict[str, Any] = {}  # properties that the document does not know
        self.customer_count = 100  # generated ones
        self.pageviews_per_visit = 3  # on average

    @property
    def credentials(self) -> dict[str, str]:
        """The key and the secret that open the account."""
        return {"public_key": self.public_key, "secret": self.secret}

    @property
    def client_ids(self) -> list[str]:
        """The ids of all customers."""
        generated = (client_id(number) for number in range(1, self.customer_count + 1))
        return [documented.CLIENT_ID, *generated]

    def routes(self) -> Sequence[Route]:
        """Give the one endpoint."""
        return [Route("GET", "/api/v1/{public_key}/customers/{client_id}", self._customer)]

    def truth(self) -> list[dict[str, Any]]:
        """Give all customers as they are now, with all there is of them."""
        return [self.customer(client_id) for client_id in self.client_ids]

    def customer(self, client_id: str) -> dict[str, Any]:
        """Give a customer as it is now, with all there is of it; an unknown one is a KeyError."""
        if client_id == documented.CLIENT_ID:
            return documented.CUSTOMER
        number = customer_number(client_id)
        if number is None or not 0 < number <= self.customer_count:
            raise KeyError(client_id)
        return customer(
            number, self.clock.start, self.clock.today, self.pageviews_per_visit, self.random
        )

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
        response = Response.json({"customer": {**shown, **self.extra}})
        response.chunked = self.chunked
        return response


def _asked_for(request: Request, array: str) -> bool:
    flags = ("show_all", f"show_{array}")
    return any(request.query.get(flag) == ["true"] for flag in flags)
