"""The sandbox's own endpoints under `/_sandbox`, for demos and tests in other processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from http import HTTPStatus
from typing import Any

from attribution_elt.sandbox.messages import Request, Response
from attribution_elt.sandbox.vendor import Clock, RefusalError, Route, Vendor, bad_request


class Control(Vendor):
    """Moves the clock, and lists recorded requests and each vendor's true data."""

    name = "_sandbox"

    def __init__(self, seed: int, clock: Clock, vendors: Mapping[str, Vendor]) -> None:
        super().__init__(seed, clock)
        self._vendors = vendors

    def routes(self) -> Sequence[Route]:
        """Return the sandbox's own endpoints."""
        return [
            Route("POST", "/advance", self._advance),
            Route("GET", "/requests", self._requests),
            Route("GET", "/truth/{vendor}", self._truth),
        ]

    def truth(self) -> Any:
        """Return the current day."""
        return {"today": self.clock.today.isoformat()}

    def _advance(self, request: Request) -> Response:
        match request.json():
            case {"days": int(days)} if days >= 0:
                self.clock.advance(days)
                return Response.json(self.truth())
        raise bad_request('expected {"days": <non-negative integer>}')

    def _requests(self, _: Request) -> Response:
        return Response.json(
            {
                name: [asdict(recorded) for recorded in vendor.requests]
                for name, vendor in self._vendors.items()
                if vendor is not self
            }
        )

    def _truth(self, request: Request, vendor: str) -> Response:
        if vendor not in self._vendors:
            raise RefusalError(HTTPStatus.NOT_FOUND, f"unknown vendor {vendor}")
        try:
            day = date.fromisoformat(request.query.get("day", [str(self.clock.today)])[0])
            return Response.json(self._vendors[vendor].on(day).truth())
        except ValueError as error:
            raise bad_request(f"day: {error}") from None
