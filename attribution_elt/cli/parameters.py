"""Parameter types that several commands use."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import click
from typing_extensions import override

from attribution_elt.core.dates import duration

EARLIEST = date(2000, 1, 1)
"""No vendor has older data; earlier years are typing errors."""


class Day(click.ParamType[date]):
    """A date such as `2026-03-31`, not before 2000."""

    name = "YYYY-MM-DD"

    @override
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        try:
            day = date.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a date such as 2026-03-31", param, ctx)
        if day < EARLIEST:
            self.fail(f"{value!r} is before {EARLIEST}", param, ctx)
        return day


class Duration(click.ParamType[timedelta]):
    """A duration such as `26h`; with `days`, a whole number of days such as `7d`."""

    name = "duration"

    def __init__(self, *, days: bool = False) -> None:
        self._days = days

    @override
    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        try:
            length = duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if self._days and length % timedelta(days=1):
            self.fail(f"{value!r} is not a number of days such as 7d", param, ctx)
        return length
