"""Timestamps in Adtraction's format: Stockholm time, with the European Union's summer time.

The module computes summer time itself, because a machine without time zone data must serve the
same bytes.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

MARCH, OCTOBER = 3, 10
WINTER = timezone(timedelta(hours=1), "CET")
SUMMER = timezone(timedelta(hours=2), "CEST")


def stockholm(moment: datetime) -> datetime:
    """Convert a moment to Stockholm time."""
    year = moment.astimezone(UTC).year
    summer = _last_sunday(year, MARCH) <= moment < _last_sunday(year, OCTOBER)
    return moment.astimezone(SUMMER if summer else WINTER)


def iso(moment: datetime) -> str:
    """Format a moment as in bodies: `2019-07-16T14:45:15+0200`."""
    return f"{stockholm(moment):%Y-%m-%dT%H:%M:%S%z}"


def header(moment: datetime) -> str:
    """Format a moment as in headers: `Tue Aug 27 14:56:30 CEST 2019`."""
    return f"{stockholm(moment):%a %b %d %H:%M:%S %Z %Y}"


def _last_sunday(year: int, month: int) -> datetime:
    """Return the moment at which the clocks change, 01:00 UTC; both months have 31 days."""
    end = datetime(year, month, 31, 1, tzinfo=UTC)
    return end - timedelta(end.isoweekday() % 7)
