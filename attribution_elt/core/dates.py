"""Days, instants and durations."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_DURATION = re.compile(r"([1-9]\d{0,4})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def day_of(value: str) -> date:
    """Return the UTC day of a text that is a date or an instant (ISO 8601).

    Raises:
        ValueError: the text is neither.
    """
    if len(value) == len("YYYY-MM-DD"):
        if not _DAY.fullmatch(value):
            raise ValueError(value)
        return date.fromisoformat(value)
    if "T" not in value and " " not in value:
        raise ValueError(value)
    return instant(value).date()


def instant(value: str | datetime) -> datetime:
    """Return an instant in UTC; a value without an offset is read as UTC.

    Raises:
        ValueError: a text is not ISO 8601.
    """
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(value.strip())
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def rfc3339(moment: datetime) -> str:
    """Return an instant as RFC 3339 in UTC, in whole seconds: `2017-09-11T19:22:50Z`."""
    return f"{instant(moment).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def now_text() -> str:
    """Return the current time as RFC 3339 in UTC, in whole seconds."""
    return rfc3339(datetime.now(UTC))


def duration(text: str) -> timedelta:
    """Return a duration such as `90m`, `26h` or `2d`.

    Raises:
        ValueError: the text is not a duration.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a duration such as 90m, 26h or 2d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})
