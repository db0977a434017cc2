"""A vendor's quota, and a simulated clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from email.utils import formatdate

EPOCH = 1_760_000_000.25


class Clock:
    """Replaces the modules `time` and `threading` in the limiter, so that waits take no time."""

    def __init__(self) -> None:
        self.elapsed = 0.0

    def time(self) -> float:
        return EPOCH + self.elapsed

    def monotonic(self) -> float:
        return self.elapsed

    def Condition(self) -> Clock:  # noqa: N802 - the name in threading
        return self

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...

    def wait(self, seconds: float | None) -> None:
        assert seconds is not None, "a single thread waits for another's answer"
        assert seconds > 0
        self.elapsed += seconds

    def notify_all(self) -> None: ...


@dataclass
class Vendor:
    """A quota as a vendor counts it: `quota` requests in `window` seconds.

    `ahead` is how many seconds its clock is ahead of ours. `unit` is the number of units of a reset
    in a second: 1000 for milliseconds. `truncated` is whether a reset loses its fraction instead of
    being rounded up. `fraction` is the part of a second after which windows begin. `greed` is
    another client's share of the quota.
    """

    clock: Clock
    quota: int = 10
    window: float = 1.0
    sliding: bool = False
    ahead: float = 0.0
    unit: int = 1000
    truncated: bool = False
    fraction: float = 0.0
    greed: float = 0.0
    silent: bool = False
    latency: float = 0.003
    refused: int = 0
    served: list[float] = field(default_factory=list)
    starts: float = 0.0
    foreign: float = 0.0

    def now(self) -> float:
        return self.clock.time() + self.ahead

    def _used(self) -> list[float]:
        now = self.now()
        if self.sliding:
            return [at for at in self.served if at > now - self.window]
        if now >= self.starts + self.window:
            # by the vendor's clock: windows begin at whole multiples, and `fraction` later
            self.starts = now - (now - self.fraction) % self.window
        return [at for at in self.served if at >= self.starts]

    def answer(self) -> tuple[int, dict[str, str]]:
        self.clock.elapsed += self.latency / 2
        now = self.now()
        if self._take() is False:
            self.refused += 1
            status = 429
        else:
            status = 200
            self.foreign += self.greed / (1 - self.greed) if self.greed else 0
            while self.foreign >= 1 and len(self._used()) < self.quota:
                self.foreign -= 1
                self.served.append(now)
        used = self._used()
        start = used[0] if self.sliding and used else self.starts
        reset = (start + self.window) * self.unit
        headers = {"Date": formatdate(now, usegmt=True)}
        if not self.silent:
            headers["X-RateLimit-Limit"] = str(self.quota)
            headers["X-RateLimit-Remaining"] = str(self.quota - len(used))
            whole = reset // 1 if self.truncated else -(-reset // 1)
            headers["X-RateLimit-Reset"] = str(int(whole))
        self.clock.elapsed += self.latency / 2
        return status, headers

    def _take(self) -> bool:
        if len(self._used()) >= self.quota:
            return False
        self.served.append(self.now())
        return True
