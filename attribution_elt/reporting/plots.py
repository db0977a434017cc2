"""Plots of amounts and runs over time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal

from attribution_elt.reporting.cards import Bar, Plot, money

MOST_DAYS = 120
"""Maximum number of days with a bar each; longer windows have a bar for each week."""
_TICKS = 4
"""Maximum number of intervals between the labels of an axis."""
_GAP = 0.15
"""Fraction of a slot's width that stays free."""

Amounts = Mapping[tuple[date, str], Decimal]


def stacks(
    amounts: Amounts, colours: Mapping[str, str], currency: str | None, first: date, last: date
) -> Plot:
    """Stack the amounts of each day or week by name; negative amounts go below zero."""
    weekly = (last - first).days > MOST_DAYS
    start = first - timedelta(days=first.weekday()) if weekly else first
    width = 7 if weekly else 1
    slots = (last - start).days // width + 1
    sums: dict[int, dict[str, Decimal]] = {}
    for (day, name), amount in amounts.items():
        of_slot = sums.setdefault((day - start).days // width, {})
        of_slot[name] = of_slot.get(name, Decimal()) + amount
    pieces = []
    for slot, of_slot in sorted(sums.items()):
        up = down = Decimal()
        day = start + timedelta(days=slot * width)
        for name in colours:
            amount = of_slot.get(name, Decimal())
            low = up if amount > 0 else down + amount
            label = f"{'week of ' if weekly else ''}{day}, {name}: {money(amount, currency)}"
            if amount:
                pieces.append((slot, low, abs(amount), colours[name], label))
            up, down = up + max(amount, Decimal()), down + min(amount, Decimal())
    bottom = float(min((low for _, low, _, _, _ in pieces), default=0))
    top = float(max((low + height for _, low, height, _, _ in pieces), default=0))
    ticks = _ticks(min(bottom, 0), max(top, 0))
    bottom, top = min(bottom, ticks[0]), max(top, ticks[-1])
    span = top - bottom
    bars = [
        Bar(
            (slot + _GAP / 2) / slots,
            (1 - _GAP) / slots,
            (float(low) - bottom) / span,
            float(height) / span,
            colour,
            label,
        )
        for slot, low, height, colour, label in pieces
    ]
    y_ticks = [((each - bottom) / span, money(Decimal(each), currency)) for each in ticks]
    return Plot(bars, _days(start, slots * width), y_ticks)


def _ticks(bottom: float, top: float) -> list[float]:
    """Return round numbers that cover the range from bottom to top."""
    if top == bottom:
        top += 1
    rough = max((top - bottom) / _TICKS, 1)
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * each for each in (1, 2, 5, 10) if power * each >= rough)
    return [number * step for number in range(math.floor(bottom / step), math.ceil(top / step) + 1)]


def _days(start: date, count: int) -> list[tuple[float, str]]:
    """Return the first day of every interval with its position."""
    step = max(math.ceil(count / (_TICKS + 1)), 1)
    return [
        (number / count, f"{start + timedelta(days=number):%-d %b}")
        for number in range(0, count, step)
    ]


def lane(bars: Sequence[tuple[date, float, str, str]], first: date, last: date) -> Plot:
    """Draw a bar for each day: its height from 0 to 1, its colour and its label."""
    count = (last - first).days + 1
    return Plot(
        [
            Bar((day - first).days / count, (1 - _GAP) / count, 0, max(height, 0.08), colour, label)
            for day, height, colour, label in bars
        ]
    )
