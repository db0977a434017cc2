"""Timestamps in Adtraction's format: Stockholm time."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

STOCKHOLM = ZoneInfo("Europe/Stockholm")


def iso(moment: datetime) -> str:
    """Format a moment as in bodies: `2019-07-16T14:45:15+0200`."""
    return f"{moment.astimezone(STOCKHOLM):%Y-%m-%dT%H:%M:%S%z}"


def header(moment: datetime) -> str:
    """Format a moment as in headers: `Tue Aug 27 14:56:30 CEST 2019`."""
    return f"{moment.astimezone(STOCKHOLM):%a %b %d %H:%M:%S %Z %Y}"
