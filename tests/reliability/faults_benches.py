"""Benches: a vendor with little data, its tap, and its endpoints, ready for faults."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from attribution_elt.kit.tap import VendorTap
from attribution_elt.kit.testing.spellings import spellings
from attribution_elt.kit.testing.warehouse import Warehouse
from attribution_elt.sandbox import Fault, Request
from attribution_elt.sandbox.vendor import Vendor
from tests.tap_process import Output, Row, Rows, run_here

Concerns = Callable[["Bench", Request, str, Row], bool]
"""Whether a row of a stream comes from a request, or depends on it."""
Objects = Callable[[Any], Iterable[Any]]
"""The objects of a response that become rows."""


@dataclass(frozen=True)
class Endpoint:
    """An endpoint of a vendor.

    Attributes:
        path: A pattern for the paths of its requests.
        streams: The streams that lack rows if the endpoint fails.
        concerns: Returns whether a row is missing after a failed request.
        objects: Returns the objects of a response; None if its rows are bare texts.
        rows: Returns the list of rows of a response, if they are not its objects.
        key: A member that every object, or every one of `rows`, must have.
        plain: A member that is a text or a number and not part of the key.
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
        """Return whether a request goes to this endpoint."""
        return re.fullmatch(self.path, request.path) is not None


@dataclass(repr=False)
class Bench:
    """A vendor's tap that can run against the sandbox repeatedly."""

    name: str
    tap: type[VendorTap]
    vendor: Vendor
    config: dict[str, Any]
    endpoints: list[Endpoint]
    setting: str
    """The setting that errors name when credentials are refused."""
    account: Callable[[Bench, Request, str, Row], bool] = lambda *_: True
    """Whether a row belongs to the account of a request."""
    same_unit: Callable[[Request, Request], bool] = lambda one, other: _sent(one) == _sent(other)
    """Whether a request reads the unit of another request, or a part of it."""
    volatile: frozenset[str] = frozenset()
    """Properties that differ from run to run."""
    clean: Output = field(init=False)
    unit_requests: dict[str, list[Request]] = field(init=False)
    """The units of each endpoint, as the requests of a clean run in their order."""
    first_requests: list[Request] = field(init=False)
    """The first request with each credential."""
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
        self.unit_requests = {
            endpoint.name: list(filter(endpoint.answers, sent)) for endpoint in self.endpoints
        }
        self.first_requests = [
            next(each for each in sent if secret in f"{each.target}{each.headers}")
            for secret in self.vendor.credentials.values()
        ]
        assert all(self.unit_requests.values())
        assert all(self.truth[name] for each in self.endpoints for name in each.streams)

    def run(self, state: Mapping[str, Any] | None = None, **more: Any) -> Output:
        """Run the tap, with one request at a time."""
        return self.run_as({**self.config, **more}, state)

    def run_as(self, config: Mapping[str, Any], state: Mapping[str, Any] | None = None) -> Output:
        """Run the tap with other settings."""
        return run_here(self.tap, config, state=state)

    def rows(self, *outputs: Output) -> dict[str, Rows]:
        """Return the rows of a warehouse that loaded these outputs in turn, by stream."""
        held: dict[str, Rows] = {}
        for output in outputs:
            for stream in {message["stream"] for message in output.of("SCHEMA")}:
                held.setdefault(stream, {}).update(
                    {key: self.settled(row) for key, row in output.rows(stream).items()}
                )
        return held

    def loaded(self, run: Output) -> Warehouse:
        """Return a warehouse that loaded the clean run and then this one.

        Raises:
            ClaimError: a claim has another number of records than the run wrote.
        """
        warehouse = Warehouse()
        warehouse.load(self.clean)
        warehouse.load(run)
        return warehouse

    def settled(self, row: Row) -> Row:
        """Return a row without nulls and without properties that differ from run to run."""
        return {
            name: value
            for name, value in row.items()
            if value is not None and name not in self.volatile
        }

    @property
    def secrets(self) -> list[str]:
        """All spellings of all credentials."""
        return [each for secret in self.vendor.credentials.values() for each in spellings(secret)]


def _sent(request: Request) -> tuple[str, bytes]:
    return request.target, request.body
