"""Each vendor with little data, its tap, and its endpoints: what a fault is tried on."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from attribution_elt.kit.tap import VendorTap
from attribution_elt.kit.testing.spellings import spellings
from attribution_elt.sandbox import Fault, Request
from attribution_elt.sandbox.vendor import Vendor
from tests.tap_process import Output, Row, Rows, run_here

Concerns = Callable[["Bench", Request, str, Row], bool]
"""Whether a row of a stream comes from a request, or cannot be had without it."""
Objects = Callable[[Any], Iterable[Any]]
"""Where an answer has the objects that rows are made of."""


@dataclass(frozen=True)
class Endpoint:
    """What a vendor is asked for by one path.

    Attributes:
        path: a pattern of its requests' paths.
        streams: those that lack rows if it fails.
        concerns: which of their rows, by the request that failed.
        objects: where an answer has objects; none if its rows are bare texts.
        rows: where it has a list of rows, if those are not its objects.
        key: a member without which an object, or one of `rows`, is no row.
        plain: a member that is a text or a number, and no key.
    """

    name: str
    path: str
    streams: frozenset[str]
    concerns: Concerns
    objects: Objects | None = None
    rows: Objects | None = None
    key: str | None = None
    plain: str = ""

    def answers(self, request: Request) -> bool:
        """Whether it is what a request is for."""
        return re.fullmatch(self.path, request.path) is not None


@dataclass(repr=False)
class Bench:
    """A vendor's tap, ready to be run against the sandbox again and again."""

    name: str
    tap: type[VendorTap]
    vendor: Vendor
    config: dict[str, Any]
    endpoints: list[Endpoint]
    setting: str
    """The one to check when credentials are refused."""
    account: Callable[[Bench, Request, str, Row], bool] = lambda *_: True
    """Whether a row is of the account that a request was made with."""
    same_unit: Callable[[Request, Request], bool] = lambda one, other: _sent(one) == _sent(other)
    """Whether a request is for what another was for, or for a part of it."""
    volatile: frozenset[str] = frozenset()
    """Properties that tell of the run rather than of the row."""
    clean: Output = field(init=False)
    asked: dict[str, list[Request]] = field(init=False)
    """The units of each endpoint, as requests in the order in which a clean run sends them."""
    truth: dict[str, Rows] = field(init=False)

    def __repr__(self) -> str:
        return self.name

    def __post_init__(self) -> None:
        sent: list[Request] = []

        def overhear(request: Request) -> bool:
            sent.append(request)
            return False

        self.vendor.faults.add(Fault("status", match=overhear))
        self.clean = self.run()
        self.vendor.faults.clear()
        assert (self.clean.code, self.clean.stderr) == (0, "")
        self.truth = self.rows(self.clean)
        self.asked = {
            endpoint.name: list(filter(endpoint.answers, sent)) for endpoint in self.endpoints
        }
        assert all(self.asked.values())
        assert all(self.truth[name] for each in self.endpoints for name in each.streams)

    def run(self, state: Mapping[str, Any] | None = None, **more: Any) -> Output:
        """Run the tap, one request after another."""
        return self.run_as({**self.config, **more}, state)

    def run_as(self, config: Mapping[str, Any], state: Mapping[str, Any] | None = None) -> Output:
        """Run the tap with settings of its own."""
        return run_here(self.tap, config, state=state)

    def rows(self, *outputs: Output) -> dict[str, Rows]:
        """What a warehouse holds that took these outputs in, in turn, by stream."""
        held: dict[str, Rows] = {}
        for output in outputs:
            for stream in {message["stream"] for message in output.of("SCHEMA")}:
                held.setdefault(stream, {}).update(
                    {key: self.settled(row) for key, row in output.rows(stream).items()}
                )
        return held

    def settled(self, row: Row) -> Row:
        """A row without its nulls, and without what differs from run to run."""
        return {
            name: value
            for name, value in row.items()
            if value is not None and name not in self.volatile
        }

    @property
    def secrets(self) -> list[str]:
        """Every spelling of every credential."""
        return [each for secret in self.vendor.credentials.values() for each in spellings(secret)]


def _sent(request: Request) -> tuple[str, bytes]:
    return request.target, request.body
