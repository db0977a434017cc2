"""Quotas of requests per window, separate for each endpoint."""

from __future__ import annotations

import math
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from attribution_elt.sandbox.vendor import RefusalError


@dataclass
class Usage:
    """Requests of an endpoint: times in the current window, and the total of each client."""

    moments: deque[float] = field(default_factory=deque)
    own: int = 0
    foreign: int = 0


@dataclass
class Quota:
    """Settings and state of the quotas.

    A fixed window begins with the first request after the end of the last window. In a sliding
    window each request counts for `window` seconds, and the reset is the time at which the oldest
    request no longer counts.

    Another client may use a share of the quota. With `first`, it uses its share before the first
    request of a window. With `between`, it uses its share after each response, so that the
    `Remaining` of that response may be too high.
    """

    limit: int = 30
    limits: dict[str, int] = field(  # limits of single endpoints
        default_factory=lambda: {"channels": 10, "channel_update": 10}
    )
    window: float = 60.0  # seconds
    sliding: bool = False
    message: Literal["moment", "seconds"] = "moment"  # the reset in a refusal: when, or in how long
    headers: bool = True
    unannounced: set[str] = field(default_factory=set)  # endpoints without these headers
    reset_unit: Literal["ms", "s"] = "ms"
    foreign_share: float = 0.0
    foreign_comes: Literal["first", "between"] = "first"
    clock: Callable[[], float] = time.monotonic
    _usage: defaultdict[str, Usage] = field(
        default_factory=lambda: defaultdict(Usage), init=False, repr=False
    )

    def take(self, endpoint: str, epoch: float) -> tuple[dict[str, str], RefusalError | None]:
        """Count a request; return the headers of its response, and a refusal if it is over quota.

        `epoch` is the time by the vendor's clock, which may be wrong.
        """
        now = self.clock()
        usage = self._usage[endpoint]
        self._forget(usage.moments, now)
        limit = self.limits.get(endpoint, self.limit)
        available = self._after_foreign_client(limit, usage, now)
        granted = len(usage.moments) < available
        if granted:
            usage.moments.append(now)
            usage.own += 1
        oldest = usage.moments[0] if usage.moments else now
        reset = epoch + oldest + self.window - now
        refusal = None
        if not granted:
            when = f"Reset time {math.ceil(reset * 1000)}"
            if self.message == "seconds":
                when = f"Time until reset: {math.ceil(reset - epoch)} seconds"
            refusal = RefusalError(429, f"API quota exceeded. {when}")
        announced = self.headers and endpoint not in self.unannounced
        remaining = max(0, available - len(usage.moments))
        return self._headers(limit, remaining, reset) if announced else {}, refusal

    def _forget(self, moments: deque[float], now: float) -> None:
        while moments and moments[0] + self.window <= now:
            if self.sliding:
                moments.popleft()
            else:
                moments.clear()

    def _after_foreign_client(self, limit: int, usage: Usage, now: float) -> int:
        if self.foreign_comes == "first":
            return limit - int(limit * self.foreign_share)
        ratio = self.foreign_share / (1 - self.foreign_share)
        wanted = int(round(usage.own * ratio, 6)) - usage.foreign
        usage.foreign += wanted
        usage.moments.extend([now] * min(wanted, limit - len(usage.moments)))
        return limit

    def _headers(self, limit: int, remaining: int, reset: float) -> dict[str, str]:
        unit = 1000 if self.reset_unit == "ms" else 1
        return {
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": str(remaining),
            "X-RateLimit-Reset": str(math.ceil(reset * unit)),
        }
