"""The sandbox's own endpoints under `/_sandbox`, for demos and tests in other processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from attribution_elt.sandbox.messages import Request, Response
from attribution_elt.sandbox.vendor import RefusalError, Route, Vendor

if TYPE_CHECKING:
    from attribution_elt.sandbox.clock import Clock


class Control(Vendor):
    """Lets time pass, shows the recorded requests and each vendor's truth."""

    name = "_sandbox"

    def __init__(self, seed: int, clock: Clock, vendors: Mapping[str, Vendor]) -> None:
        super().__init__(seed, clock)
        self._vendors = vendors

    @property
    def credentials(self) -> dict[str, str]:
        """None: it is a sandbox on localhost."""
        return {}

    def routes(self) -> Sequence[Route]:
        """Give the sandbox's own endpoints."""
        return [
            Route("POST", "/advance", self._advance),
            Route("GET", "/requests", self._requests),
            Route("GET", "/truth/{vendor}", self._truth),
        ]

    def truth(self) -> Any:
        """Tell the day."""
        return {"today": self.clock.today.isoformat()}

    def _advance(self, request: Request) -> Response:
        match request.json():
            case {"days": int(days)} if days >= 0:
                self.clock.advance(days)
                return Response.json(self.truth())
        raise RefusalError(HTTPStatus.BAD_REQUEST, 'expected {"days": <a whole number>}')

    def _requests(self, _: Request) -> Response:
        return Response.json(
            {
                name: [asdict(recorded) for recorded in vendor.requests]
                for name, vendor in self._vendors.items()
                if vendor is not self
            }
        )

    def _truth(self, _: Request, vendor: str) -> Response:
        if vendor not in self._vendors:
            raise RefusalError(HTTPStatus.NOT_FOUND, f"no vendor is called {vendor}")
        return Response.json(self._vendors[vendor].truth())
