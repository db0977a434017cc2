"""What all vendors are made of: routes, credentials, recorded requests, faults, the clock."""

from __future__ import annotations

import random
import re
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import unquote

from attribution_elt.sandbox.faults import Faults
from attribution_elt.sandbox.messages import Recorded, Request, Response

if TYPE_CHECKING:
    from attribution_elt.sandbox.clock import Clock


class RefusalError(Exception):
    """A request that the vendor answers with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True)
class Route:
    """A method and a path, and what answers it; `{name}` in the path becomes a keyword argument."""

    method: str
    path: str
    answer: Callable[..., Response]
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(self.path))
        object.__setattr__(self, "pattern", re.compile(pattern))


class Vendor(ABC):
    """A vendor's stand-in under `/<name>`; a subclass gives its routes, credentials and truth.

    Data should be made when it is first asked for, so that settings may still be changed before.
    """

    name: ClassVar[str]
    root: ClassVar[str] = ""  # where, below the vendor's prefix, the base URL points

    def __init__(self, seed: int, clock: Clock) -> None:
        self.seed = seed
        self.clock = clock
        self.origin = ""  # set by the server
        self.requests: list[Recorded] = []
        self.faults = Faults()
        self.latency = 0.0  # seconds before every answer
        self.clock_skew = 0.0  # seconds by which the vendor's clock is ahead of ours
        self.lock = threading.RLock()

    @property
    @abstractmethod
    def credentials(self) -> dict[str, str]:
        """What opens the vendor, by name."""

    @abstractmethod
    def routes(self) -> Sequence[Route]:
        """Give the vendor's endpoints."""

    @abstractmethod
    def truth(self) -> Any:
        """Give all there is now, as objects of the vendor's shape."""

    @property
    def url(self) -> str:
        """The base URL that a client is given."""
        return f"{self.origin}/{self.name}{self.root}"

    def now(self) -> float:
        """Tell the time by the vendor's clock, in seconds since the epoch."""
        return time.time() + self.clock_skew

    def random(self, *topic: object) -> random.Random:
        """Give random numbers that depend on nothing but the seed and the topic."""
        return random.Random("/".join(map(str, (self.seed, self.name, *topic))))

    def error(self, status: int, message: str) -> Response:
        """Shape an error the vendor's way."""
        return Response.json({"message": message, "status": status}, status)

    def answer(self, request: Request) -> Response:
        """Answer a request."""
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
