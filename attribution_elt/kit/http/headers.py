"""What the head of a vendor's answer says of its clock and of its quota."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime


@dataclass(frozen=True, slots=True)
class Head:
    """The head of an answer, with the moments (epoch seconds) around it by our clock."""

    headers: Mapping[str, str]
    sent: float
    received: float

    @property
    def ahead(self) -> float | None:
        """Seconds by which the vendor's clock is surely ahead of ours; None if it tells none.

        The header `Date` has whole seconds: 0 wherever the clocks may agree.
        """
        date = http_date(self.headers.get("Date"))
        if date is None:
            return None
        return max(date - self.received, 0) + min(date + 1 - self.sent, 0)

    @property
    def remaining(self) -> int | None:
        """Requests left in the quota's window; None if the vendor tells none."""
        left = number(self.headers.get("X-RateLimit-Remaining"))
        return None if left is None else max(int(left), 0)

    @property
    def limit(self) -> int | None:
        """Requests in the quota's window; None if the vendor tells none."""
        limit = number(self.headers.get("X-RateLimit-Limit"))
        return None if limit is None else int(limit)


def number(text: str | None) -> float | None:
    """Return the finite number that a header holds, if it holds one."""
    try:
        value = float(text) if text else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def http_date(text: str | None) -> float | None:
    """Return the epoch seconds of an HTTP date, if it is one."""
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except ValueError:
        return None


def reset_time(text: str | None, now: float) -> float | None:
    """Epoch seconds of a reset given in epoch milliseconds, epoch seconds or seconds from now.

    All by the vendor's clock, which shows `now`.
    """
    value = number(text)
    if value is None:
        return None
    if value > 1e11:
        return value / 1000
    return value if value > 1e8 else now + value
