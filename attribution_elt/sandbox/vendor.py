"""The base class of all vendors: routes, credentials, recorded requests, faults, the clock."""

from __future__ import annotations

import copy
import random
import re
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from http import HTTPStatus
from typing import Any, ClassVar, Self, TypeVar
from urllib.parse import unquote

from attribution_elt.sandbox.faults import Faults
from attribution_elt.sandbox.messages import Effect, Recorded, Request, Response
from attribution_elt.sandbox.withdrawals import Withdrawals

T = TypeVar("T")


class Clock:
    """The sandbox's first day and its current day, which moves only by `advance`.

    The current day has only begun: vendors date their records on earlier days, so that no record
    is in the future.
    """

    def __init__(self, start: date) -> None:
        self.start = start
        self.today = start

    def advance(self, days: int) -> None:
        """Move forward by some days; vendors update their data at the next request."""
        if days < 0:
            raise ValueError(f"cannot move back in time: {days} days")
        self.today += timedelta(days)


class RefusalError(Exception):
    """A request that the vendor refuses, with the HTTP status and the message of the response."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def bad_request(message: str) -> RefusalError:
    """Return the refusal of a request that is not valid."""
    return RefusalError(HTTPStatus.BAD_REQUEST, message)


def day_of(name: str, text: str) -> date:
    """Return the day that a parameter names as YYYY-MM-DD; refuse other texts."""
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
        raise bad_request(f"{name} must be of the format YYYY-MM-DD")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise bad_request(f"{name} is not a valid date") from None


@dataclass(frozen=True)
class Route:
    """A method, a path and their handler; `{name}` in the path becomes a keyword argument."""

    method: str
    path: str
    answer: Callable[..., Response]
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(self.path))
        object.__setattr__(self, "pattern", re.compile(pattern))


class Vendor(ABC):
    """A simulated vendor under `/<name>`; subclasses define routes, credentials and true data.

    Generate data at the first request, so that tests can change settings before it.
    """

    name: ClassVar[str]
    root: ClassVar[str] = ""  # path of the base URL below the vendor's prefix
    secrets: ClassVar[Sequence[str]] = ()  # attributes with keys, tokens and secrets

    def __init__(self, seed: int, clock: Clock) -> None:
        self.seed = seed
        self.clock = clock
        self.origin = ""  # set by the server
        self.requests: list[Recorded] = []
        self.ledger: list[Effect] = []  # changes by writing requests, repeated ones included
        self.faults = Faults()
        self.latency = 0.0  # seconds before every response
        self.clock_skew = 0.0  # seconds that the vendor's clock is ahead
        self.keeps_alive = True  # False: close the connection after each response
        self.compressed = False  # True: use gzip for clients that accept it
        self.chunked = False  # True: transfer the responses with data in chunks
        self.extra: dict[str, Any] = {}  # properties that the document does not mention
        self.shuffled = False  # True: lists without a documented order have a random one
        self.withdrawals = Withdrawals(self.random, clock.start)
        self.emptied = False  # True: every endpoint responds as if the vendor had no data
        self.lock = threading.RLock()

    @property
    def credentials(self) -> dict[str, str]:
        """The vendor's keys, tokens and secrets by name."""
        return {name: getattr(self, name) for name in self.secrets}

    @abstractmethod
    def routes(self) -> Sequence[Route]:
        """Return the vendor's endpoints."""

    @abstractmethod
    def truth(self) -> Any:
        """Return all data of the current day, as objects of the vendor's shape."""

    def on(self, day: date) -> Self:
        """Return a copy of the vendor as of a day between the first one and the current one.

        The copy has the same seed, settings and withdrawals, and generates its data again.
        """
        if not self.clock.start <= day <= self.clock.today:
            raise ValueError(f"{day} is not between {self.clock.start} and {self.clock.today}")
        past = copy.copy(self)
        past.clock = Clock(self.clock.start)
        past.clock.today = day
        past.discard_data()
        return past

    def discard_data(self) -> None:  # noqa: B027 - some vendors compute each response
        """Drop generated data, so that the next request generates it again."""

    def is_gone(self, *topic: object, since: date | None = None, days: int | None = None) -> bool:
        """Return whether a record is withdrawn on the current day; see `Withdrawals.changes`."""
        return self.withdrawals.changes(self.clock.today, *topic, since=since, days=days) % 2 == 1

    def withdraw(self, *topic: object) -> None:
        """Withdraw a record from the current day on."""
        self.withdrawals.toggle(self.clock.today, *topic, gone=True)

    def restore(self, *topic: object) -> None:
        """Return a withdrawn record from the current day on."""
        self.withdrawals.toggle(self.clock.today, *topic, gone=False)

    @property
    def url(self) -> str:
        """The base URL for clients."""
        return f"{self.origin}/{self.name}{self.root}"

    def now(self) -> float:
        """Return the time by the vendor's clock, in seconds since the epoch."""
        return time.time() + self.clock_skew

    def random(self, *topic: object) -> random.Random:
        """Return a generator of random numbers that depend on the seed and the topic only."""
        return random.Random("/".join(map(str, (self.seed, self.name, *topic))))

    def in_order(self, rows: Iterable[T], *topic: object) -> list[T]:
        """Return rows in the vendor's order, which is random if `shuffled` is set."""
        ordered = list(rows)
        if self.shuffled:
            self.random("order", self.clock.today, *topic).shuffle(ordered)
        return ordered

    def answer_with(self, document: Any) -> Response:
        """Build a response with data."""
        response = Response.json(document)
        response.chunked = self.chunked
        return response

    def error(self, status: int, message: str) -> Response:
        """Build an error response in the vendor's format."""
        return Response.json({"message": message, "status": status}, status)

    def answer(self, request: Request) -> Response:
        """Return the response to a request."""
        with self.lock:
            try:
                return self._dispatch(request)
            except RefusalError as refusal:
                return self.error(refusal.status, refusal.message)

    def _dispatch(self, request: Request) -> Response:
        status = HTTPStatus.NOT_FOUND
        for route in self.routes():
            if found := route.pattern.fullmatch(request.path):
                if route.method == request.method:
                    arguments = {name: unquote(text) for name, text in found.groupdict().items()}
                    return route.answer(request, **arguments)
                status = HTTPStatus.METHOD_NOT_ALLOWED
        raise RefusalError(status, status.phrase)
