"""The platform's endpoints and their rules."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from typing_extensions import override

from attribution_elt.sandbox.exact_json import decode
from attribution_elt.sandbox.ignite.people import ALGORITHMS
from attribution_elt.sandbox.ignite.website import DEFAULT_LOOKBACK_DAYS, Kind, Sizes, Website
from attribution_elt.sandbox.messages import Effect, Request, Response
from attribution_elt.sandbox.vendor import Clock, RefusalError, Route, Vendor, bad_request, day_of

LONGEST_LOOKBACK_DAYS = 60
FORM = "application/x-www-form-urlencoded"


class Ignite(Vendor):
    """Websites, each with its own credentials and data.

    Opt-outs are in the ledger, with the website's name and the address as the key.

    Withdrawals remove audiences, audience groups, their members and sales, and change sales:
    `withdraw(website, "audiences", id)`, `(website, "audience_groups", id)`,
    `(website, "member", kind, id, visitor)`, `(website, "sales", number)` and
    `(website, "matched_sales", number)`, with `website_1` and so on for `website`.
    `withdrawals.repeat(day, website, "amount", number)` changes the amount of a sale.
    """

    name = "ignite"
    root = "/api"

    def __init__(self, seed: int, clock: Clock) -> None:
        super().__init__(seed, clock)
        self.website_count = 2
        self.group_details = True  # False: `/audience_groups/ID` does not exist
        self.refused_emails: set[str] = set()  # a request with one of these is a 400
        self.longest_url: int | None = None  # bytes; a longer URL is a 414
        self.sizes = Sizes()  # set these before the first request
        self._websites: list[Website] = []

    @property
    def websites(self) -> list[Website]:
        """The websites; tests may change their tokens and secrets."""
        with self.lock:
            for number in range(len(self._websites) + 1, self.website_count + 1):
                self._websites.append(Website(number, self.sizes, self))
            return self._websites[: self.website_count]

    @property
    def credentials(self) -> dict[str, str]:
        """Every website's token and secret."""
        return {
            f"{website.name}_{kind}": value
            for website in self.websites
            for kind, value in (("token", website.token), ("secret", website.secret))
        }

    @property
    def opt_out_url(self) -> str:
        """The base URL of the endpoint for opt-outs."""
        return f"{self.origin}/{self.name}"

    def routes(self) -> Sequence[Route]:
        """Return the endpoints; the one for opt-outs is not below `/api`."""
        return [
            Route("GET", "/api/visitors", self._visitors),
            Route("GET", "/api/products", self._products),
            Route("GET", "/api/locations", self._locations),
            Route("GET", "/api/locations/{number}", self._location),
            Route("GET", "/api/audiences", partial(self._listed, "audiences")),
            Route("GET", "/api/audiences/{number}", partial(self._members, "audiences")),
            Route("GET", "/api/audience_groups", partial(self._listed, "audience_groups")),
            Route(
                "GET", "/api/audience_groups/{number}", partial(self._members, "audience_groups")
            ),
            Route("GET", "/api/sales", self._sales),
            Route("POST", "/opt_outs/new", self._opt_out),
        ]

    def truth(self) -> dict[str, dict[str, Any]]:
        """Return the data of the default look-back window by website."""
        since = self.window_start(None)
        return {website.name: website.truth(since) for website in self.websites}

    @override
    def discard_data(self) -> None:
        self._websites = []

    def window_start(self, day: date | None) -> date:
        """Return the first day of a look-back window; 30 days ago instead of more than 60."""
        today = self.clock.today
        if day is None or (today - day).days > LONGEST_LOOKBACK_DAYS:
            return today - timedelta(DEFAULT_LOOKBACK_DAYS)
        return day

    def _visitors(self, request: Request) -> Response:
        website = self._website(request)
        visitors = website.visitors(self._since(request), _algorithm(request))
        return self._json(self.in_order(visitors, website.name))

    def _products(self, request: Request) -> Response:
        website = self._website(request)
        return self._json(self.in_order(website.products(self._since(request)), website.name))

    def _locations(self, request: Request) -> Response:
        website = self._website(request)
        return self._json(self.in_order(website.locations(self._since(request)), website.name))

    def _location(self, request: Request, number: str) -> Response:
        website = self._website(request)
        return self._found(website.location(_id(number), _algorithm(request)))

    def _listed(self, kind: Kind, request: Request) -> Response:
        return self._json(self._website(request).listed(kind))

    def _members(self, kind: Kind, request: Request, number: str) -> Response:
        website = self._website(request)
        since, algorithm = self._since(request), _algorithm(request)
        if not self.group_details and kind == "audience_groups":
            return self._found(None)
        members = website.members(kind, _id(number), since, algorithm)
        return self._found(members and self.in_order(members, kind, number))

    def _sales(self, request: Request) -> Response:
        # the document requires the token only, but its example sends both
        secret = _parameter(request, "secret")
        return self._json(self._website(request, secret_required=secret is not None).sales())

    def _opt_out(self, request: Request) -> Response:
        website = self._website(request, secret_required=False)
        if self.longest_url is not None and len(request.target.encode()) > self.longest_url:
            raise RefusalError(HTTPStatus.REQUEST_URI_TOO_LONG, "URI too long")
        emails = _emails(_parameter(request, "emails"))
        if refused := self.refused_emails.intersection(emails):
            raise bad_request(f"{len(refused)} addresses are not valid")
        for email in emails:
            before = "opted out" if email in website.opt_outs else None
            website.opt_out(email)
            effect = Effect(self.clock.today, f"{website.name} {email}", before, "opted out")
            self.ledger.append(effect)
        return Response.json({})

    def _website(self, request: Request, *, secret_required: bool = True) -> Website:
        token, secret = _parameter(request, "token"), _parameter(request, "secret")
        for website in self.websites:
            if website.token == token and (website.secret == secret or not secret_required):
                return website
        raise RefusalError(HTTPStatus.UNAUTHORIZED, "Invalid token or secret")

    def _since(self, request: Request) -> date:
        text = _parameter(request, "date")
        if text is None:
            return self.window_start(None)
        return self.window_start(day_of("date", text))

    def _found(self, value: Any) -> Response:
        if value is None:
            raise RefusalError(HTTPStatus.NOT_FOUND, "Not found")
        return self._json(value)

    def _json(self, value: Any) -> Response:
        return self.answer_with(_each_object(value, lambda row: {**row, **self.extra}))


def _each_object(value: Any, change: Callable[[dict[str, Any]], Any]) -> Any:
    match value:
        case {"sales": sales, "matched_sales": matched}:
            return {"sales": [*map(change, sales)], "matched_sales": [*map(change, matched)]}
        case dict():
            return change(value)
        case [dict(), *_]:
            return [*map(change, value)]
        case _:
            return value


def _parameter(request: Request, name: str) -> str | None:
    """Return a parameter of the query or of a web form."""
    values = request.query.get(name)
    if values is None and request.headers.get("content-type") == FORM:
        values = parse_qs(request.body.decode(), keep_blank_values=True).get(name)
    return values[-1] if values else None


def _algorithm(request: Request) -> str:
    algorithm = _parameter(request, "algo") or "md5"
    if algorithm not in ALGORITHMS:
        raise bad_request(f"algo must be one of {', '.join(ALGORITHMS)}")
    return algorithm


def _id(text: str) -> int:
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else -1


def _emails(text: str | None) -> list[str]:
    if not text:
        raise bad_request("emails is required")
    if not text.startswith("["):
        return [text]
    try:
        emails = decode(text)
    except ValueError:
        emails = None
    if not emails or not all(isinstance(email, str) for email in emails):
        raise bad_request("emails must be an address or a JSON array of addresses")
    return list(emails)
