"""Reads a vendor's clock and quota from the headers of a response."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from email.utils import parsedate_to_datetime

from attribution_elt.core.dates import instant


@dataclass(frozen=True, slots=True)
class Head:
    """The headers of a response, with our epoch seconds before and after it."""

    headers: Mapping[str, str]
    sent: float
    received: float

    @property
    def ahead(self) -> float | None:
        """Seconds by which the vendor's clock is certainly ahead of ours; None without a `Date`.

        The header `Date` has whole seconds, so it is 0 if the clocks may agree.
        """
        date = http_date(self.headers.get("Date"))
        if date is None:
            return None
        return max(date - self.received, 0) + min(date + 1 - self.sent, 0)

    @property
    def remaining(self) -> int | None:
        """Requests left in the quota's window; None if the header is missing."""
        left = number(self.headers.get("X-RateLimit-Remaining"))
        return None if left is None else max(int(left), 0)

    @property
    def limit(self) -> int | None:
        """Requests in the quota's window; None if the header is missing."""
        limit = number(self.headers.get("X-RateLimit-Limit"))
        return None if limit is None else int(limit)


def charset_of(headers: Mapping[str, str]) -> str:
    """Return the charset of a response; UTF-8 if it does not name one."""
    content = Message()
    content["Content-Type"] = headers.get("Content-Type", "")
    return content.get_content_charset("utf-8")


def number(text: str | None) -> float | None:
    """Return the finite number in a header, or None."""
    try:
        value = float(text) if text else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def http_date(text: str | None) -> float | None:
    """Return the epoch seconds of an HTTP date, or None; without a time zone it is UTC."""
    try:
        return instant(parsedate_to_datetime(text)).timestamp() if text else None
    except (ValueError, OverflowError):
        return None


def reset_time(text: str | None, now: float) -> float | None:
    """Return the epoch seconds of a reset, given in epoch milliseconds, epoch seconds or seconds.

    Both are by the vendor's clock, which shows `now`; seconds count from `now`.
    """
    value = number(text)
    if value is None:
        return None
    if value > 1e11:
        return value / 1000
    return value if value > 1e8 else now + value
