"""Uses a vendor's request quota fully without exceeding it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from math import inf

from attribution_elt.core.events import event
from attribution_elt.kit.http.headers import http_date, number, reset_time

MARGIN = 0.02
"""Seconds added to each wait, because timers and the server's window are not exact."""
SAME_WINDOW = 0.05
"""Seconds by which the reset times of two responses about one window may differ."""
LONGEST_WAIT = 3600.0
"""Maximum seconds of a single wait, even if a response asks for more."""
SHORT_WAIT = 1.0
"""Waits below this number of seconds are not logged."""
UNKNOWN, SPENT = -1.0, -2.0
"""Decisions: wait for a response that shows the quota, or until the reset of a spent quota."""


class QuotaLimiter:
    """One quota, shared by all threads that use it.

    It uses the requests left, sleeps until the reset, sends one request to learn the new quota, and
    continues. It reads `X-RateLimit-Remaining` and `X-RateLimit-Reset` (epoch seconds or
    milliseconds) and, with 429 and 503, `Retry-After` (seconds or HTTP date). Requests to a vendor
    that sends none of them do not wait.

    Args:
        name: name of the quota in logs.
        window: the quota's documented window in seconds, if there is one.
    """

    def __init__(self, name: str, *, window: float | None = None) -> None:
        self._name = name
        self._window = window
        self._changed = threading.Condition()
        self._clock = _VendorClock()
        self._governed: bool | None = None
        self._remaining: int | None = None
        self._in_flight = 0
        # the current window: its reset as first and as last seen
        self._reset: float | None = None
        self._last_reset: float | None = None
        # the requests left after its later responses: if no other client sends any, and the fewest
        self._expected, self._lowest = 0, inf
        self._began_idle = False  # whether no request was in flight when it began
        self._waited_until = 0.0
        # when the request that learns the quota was sent; None if it is not in flight
        self._probe: float | None = None
        self._foreign: bool | None = None
        # added to resets in whole epoch seconds: 1 after a 429 within the second after a reset
        self._cut_off = 0.0
        self._blocked_until = 0.0

    def acquire(self) -> float:
        """Wait until a request may be sent; return its time, for `observe`."""
        with self._changed:
            while (delay := self._decide()) != 0:
                if delay == SPENT:
                    delay = self._begin_wait()
                self._changed.wait(None if delay == UNKNOWN else delay)
            self._in_flight += 1
            sent = time.time()
            self._probe = sent if self._remaining is None else None
            return sent

    def _decide(self) -> float:
        """Return the seconds until a request may be sent, `UNKNOWN` or `SPENT`."""
        if (delay := self._blocked_until - time.monotonic()) > 0:
            return delay
        if self._governed is False:
            return 0
        if self._remaining is None:
            return 0 if self._probe is None else UNKNOWN
        # other clients may use as many requests, unless none was seen
        reserved = self._in_flight * (1 if self._foreign is False else 2)
        kept = 1 if self._foreign else 0  # other clients may have sent a request since the response
        if self._remaining > reserved + kept:
            return 0
        return UNKNOWN if self._in_flight and self._remaining > kept else SPENT

    def _begin_wait(self) -> float:
        """Start waiting for the reset, after which one request learns the new quota."""
        wait = self._until_reset()
        self._log_wait(wait, "for the quota")
        self._blocked_until = time.monotonic() + wait
        self._waited_until = time.time() + wait
        self._remaining = None
        return wait

    def _log_wait(self, seconds: float, why: str) -> None:
        if seconds > SHORT_WAIT:
            until = datetime.fromtimestamp(time.time() + seconds, UTC)
            logging.getLogger(__name__).info(
                "%s: waiting %.0f s %s",
                self._name,
                seconds,
                why,
                extra=event("waiting", until=until.isoformat(timespec="seconds")),
            )

    def _until_reset(self) -> float:
        if self._last_reset is None:
            return self._window or 1.0
        return self._until(self._last_reset)

    def _until(self, reset: float) -> float:
        """Seconds until a time by the vendor's clock."""
        wait = reset - self._clock.now(self._window) + MARGIN
        return min(max(wait, MARGIN), (self._window or LONGEST_WAIT) + MARGIN)

    def observe(self, sent: float, status: int | None, headers: Mapping[str, str]) -> None:
        """Update the quota from the headers of a response.

        Args:
            sent: the time that `acquire` returned.
            status: HTTP status; None if there was no response.
            headers: the response's headers, with names in any case.
        """
        received = time.time()
        with self._changed:
            self._in_flight -= 1
            if self._probe is not None and sent >= self._probe:
                self._probe = None
            date = http_date(headers.get("Date"))
            if date is not None:
                self._clock.saw_date(date, sent, received)
            self._learn_quota(sent, received, status, headers)
            self._learn_pause(status, headers.get("Retry-After"), date or received)
            self._changed.notify_all()

    def _learn_quota(
        self, sent: float, received: float, status: int | None, headers: Mapping[str, str]
    ) -> None:
        remaining = number(headers.get("X-RateLimit-Remaining"))
        if remaining is None:
            if status is not None and status != 429 and not self._governed:
                self._governed = False
            return
        self._governed = True
        left = 0 if status == 429 else max(int(remaining), 0)
        vendor_now = self._clock.now(self._window)
        text = headers.get("X-RateLimit-Reset")
        reset, before = reset_time(text, vendor_now), self._reset
        ended = None if before is None else before - self._cut_off
        if reset is not None and reset == number(text) and reset.is_integer():
            if status == 429 and reset == before and reset <= vendor_now < reset + 1:
                self._cut_off = 1.0
            reset += self._cut_off
        if reset is None or before is None or reset > before + SAME_WINDOW:
            if reset is not None:
                self._clock.saw_reset(ended, reset, sent, received)
            self._conclude_foreign()
            self._reset = self._last_reset = reset
            self._begin_window(left)
        elif reset >= before - SAME_WINDOW:
            self._clock.saw_reset(None, reset, sent, received)
            self._last_reset = max(self._last_reset or reset, reset)
            self._learn_left(left, sent)
        elif status == 429:
            self._pause(self._until(reset))

    def _begin_window(self, left: int) -> None:
        self._remaining = self._expected = left
        self._lowest = inf
        self._began_idle = not self._in_flight

    def _learn_left(self, left: int, sent: float) -> None:
        """Update the requests left in the current window."""
        if self._remaining is None and sent >= self._waited_until:
            self._begin_window(left)
            return
        self._expected -= 1
        self._lowest = min(self._lowest, left)
        if self._lowest < self._expected - self._in_flight:
            self._foreign = True
        if self._remaining is not None:  # otherwise the response is about the window that has ended
            self._remaining = min(self._remaining, left)

    def _conclude_foreign(self) -> None:
        """Decide whether other clients use the quota, if every response of the window counted."""
        is_evident = self._lowest < inf and self._began_idle and not self._in_flight
        if self._foreign is None and is_evident:
            self._foreign = self._lowest < self._expected

    def _learn_pause(self, status: int | None, retry_after: str | None, vendor_now: float) -> None:
        """Read `Retry-After`, which is valid with 429 and 503 only."""
        if status not in {429, 503}:
            return
        seconds = number(retry_after)
        if seconds is None and (moment := http_date(retry_after)) is not None:
            seconds = moment - vendor_now
        if seconds is None and status == 429 and self._remaining is None:
            seconds = self._window
        if seconds is not None:
            self._pause(min(max(seconds, 0) + MARGIN, LONGEST_WAIT))

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        if until > self._blocked_until + SHORT_WAIT:  # otherwise a wait as long has been logged
            self._log_wait(seconds, "as the vendor asks")
        self._blocked_until = max(self._blocked_until, until)


class _VendorClock:
    """Seconds by which the vendor's clock is ahead of ours, as an interval that narrows.

    Neither clock is trusted: the bounds come from `Date` headers (whole seconds) and from the times
    at which a window was seen to end. If zero is inside the interval, the difference is zero.
    """

    def __init__(self) -> None:
        self._by_date = (-inf, inf)
        self._by_reset = (-inf, inf)

    def saw_date(self, date: float, sent: float, received: float) -> None:
        """Use the `Date` of a response to a request sent at `sent`."""
        self._by_date = _narrow(self._by_date, date - received, date + 1 - sent)

    def saw_reset(self, ended: float | None, reset: float, sent: float, received: float) -> None:
        """Use a response whose window ends at `reset`, after the window that ended at `ended`."""
        low = -inf if ended is None else ended - received
        self._by_reset = _narrow(self._by_reset, low, reset - sent)

    def now(self, window: float | None) -> float:
        """Return the earliest time that the vendor's clock may show."""
        low = max(self._by_date[0], self._by_reset[0])
        high = min(self._by_date[1], self._by_reset[1])
        if low > high:  # another machine wrote the Date: the windows are more reliable
            low, high = self._by_reset
        if low <= 0 <= high:
            ahead = 0.0
        elif low > -inf:
            ahead = low
        else:
            ahead = high - (window or 0)
        return time.time() + ahead


def _narrow(known: tuple[float, float], low: float, high: float) -> tuple[float, float]:
    narrowed = (max(known[0], low), min(known[1], high))
    # a contradiction means that a clock was set: trust the newest value
    return narrowed if narrowed[0] <= narrowed[1] else (low, high)
