"""All vendors behind one server."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Self, TypeVar

from attribution_elt.sandbox.adtraction import Adtraction
from attribution_elt.sandbox.attribution_io import AttributionIo
from attribution_elt.sandbox.control import Control
from attribution_elt.sandbox.ecdp import Ecdp
from attribution_elt.sandbox.ignite import Ignite
from attribution_elt.sandbox.ihc import Ihc
from attribution_elt.sandbox.server import Server
from attribution_elt.sandbox.vendor import Clock, Vendor

V = TypeVar("V", bound=Vendor)


class Sandbox:
    """A server of all vendors on localhost, as a context manager.

    The same seed and day give the same data; `today` defaults to the real day in UTC.
    """

    def __init__(self, seed: int = 1, today: date | None = None, port: int = 0) -> None:
        self.seed = seed
        self.clock = Clock(today or datetime.now(UTC).date())
        self.port = port
        self.url = ""
        self.vendors: dict[str, Vendor] = {}
        self.ecdp = self.add(Ecdp)
        self.adtraction = self.add(Adtraction)
        self.ignite = self.add(Ignite)
        self.attribution_io = self.add(AttributionIo)
        self.ihc = self.add(Ihc)
        self.ecdp.purchases = self.attribution_io.purchases

    def add(self, kind: type[V]) -> V:
        """Add a vendor, also while the sandbox runs, and return it."""
        added = kind(self.seed, self.clock)
        self.vendors[added.name] = added
        if self.url:
            added.origin = self.url
            self._server.add(added)
        return added

    def advance(self, days: int = 1) -> None:
        """Move every vendor forward by some days."""
        self.clock.advance(days)

    def withdraw_daily(self, share: float) -> None:
        """Let every vendor withdraw a share of its records each day, before the first request."""
        for vendor in self.vendors.values():
            vendor.withdrawals.share = share

    def __enter__(self) -> Self:
        control = Control(self.seed, self.clock, self.vendors)
        self._server = Server({**self.vendors, control.name: control}, self.port)
        self.url = self._server.origin
        for vendor in self.vendors.values():
            vendor.origin = self.url
        self._server.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.stop()
