"""Cards on how late revenue changes: completeness by age, and whether the look-back is enough."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal

from attribution_elt.core.text import counted
from attribution_elt.reporting import completeness
from attribution_elt.reporting.cards import NO_CHANNEL, Bar, Card, Column, Plot, Table
from attribution_elt.reporting.completeness import Completeness, Course
from attribution_elt.reporting.reading import Revenue
from attribution_elt.reporting.revenue import Note

HORIZON = 30
"""Age in days at which revenue counts as final, where the tap has no look-back."""
AGES = (0, 1, 2, 3, 7, 14, 21)
"""Ages in the table."""
YOUNG = 3
"""Maximum age in days of a day's first load: later loads do not show its first changes."""
MOST_CHANNELS = 8
_BAND, _MIDDLE = "var(--s2)", "var(--s4)"
_ROOM = 0.05
"""Part of the plot's height that stays free above and below the bars."""


def cards(found: Revenue, currency: str | None, title: str) -> list[Card]:
    """Return the card of a vendor's revenue in one currency, if enough was loaded to judge it."""
    notes = [each for each in found.notes if each.key.currency == currency]
    horizon = found.lookback_days or HORIZON
    late = completeness.restated_by_age(notes)
    why = list(completeness.too_short(late, found.lookback_days)) if found.lookback_days else []
    every = _courses(found, notes, horizon)
    curve = _curve(every, horizon)
    if not curve or curve[0].age > YOUNG:
        return [Card(f"Completeness by age, {title}", why)] if why else []
    level = f"{100 * completeness.LEVEL:.0f} %"
    about = (
        f"The share of its revenue after {counted(horizon, 'day')} that a day has at each age, "
        f"from {counted(len(every), 'day')} that are {horizon} days old: the median, and the "
        f"interval that contains {level} of new days."
    )
    card = Card(
        f"Completeness by age, {title}",
        [about, *why],
        plot=plot_of(curve),
        legend=[(_BAND, f"{level} of days"), (_MIDDLE, "median")],
    )
    ages = [age for age in AGES if age < horizon]
    columns = [Column("channel"), *(Column(f"{age} days" if age != 1 else "1 day") for age in ages)]
    rows = [_row("all", every, ages)]
    rows += [
        _row(name or NO_CHANNEL, _courses(found, notes, horizon, name), ages)
        for name in _channels(notes)
    ]
    card.tables = [Table(card.title, columns, rows)]
    return [card]


def _courses(
    found: Revenue, notes: Sequence[Note], horizon: int, channel: str | None = None
) -> list[Course]:
    if found.loaded_at is None:
        return []
    return completeness.courses(notes, horizon, found.loaded_at.date(), channel)


def _curve(every: Sequence[Course], horizon: int) -> list[Completeness]:
    found = (completeness.completeness(every, age) for age in range(horizon + 1))
    return [each for each in found if each is not None]


def _channels(notes: Sequence[Note]) -> list[str]:
    """Return the channels of the greatest revenue."""
    last: dict[tuple[object, str], Decimal] = {}
    for each in notes:
        if each.key.channel is not None:
            last[each.key.day, each.key.channel] = each.figure.revenue
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for (_, channel), revenue in last.items():
        sums[channel] += revenue
    return sorted(sums, key=lambda name: sums[name], reverse=True)[:MOST_CHANNELS]


def _row(name: str, of_channel: Sequence[Course], ages: Sequence[int]) -> list[str | None]:
    found = (completeness.completeness(of_channel, age) for age in ages)
    return [name, *(_text(each) if each else None for each in found)]


def _text(each: Completeness) -> str:
    middle = f"{100 * each.middle:.1f} %"
    if each.low is None or each.high is None:
        return middle
    return f"{middle} ({100 * each.low:.1f} to {100 * each.high:.1f})"


def plot_of(curve: Sequence[Completeness]) -> Plot:
    """Draw the median and the interval at each age."""
    ends = [
        value for each in curve for value in (each.low, each.high, each.middle) if value is not None
    ]
    bottom, top = min(*ends, 1.0), max(*ends, 1.0)
    room = max((top - bottom) * _ROOM, 0.001)
    bottom, span = bottom - room, top - bottom + 2 * room
    width = 1 / len(curve)
    bars = []
    for place, each in enumerate(curve):
        label = f"{each.age} days: {_text(each)}, {counted(each.days, 'day')}"
        if each.low is not None and each.high is not None:
            height = max((each.high - each.low) / span, 0.002)
            bars.append(
                Bar(place * width, width * 0.85, (each.low - bottom) / span, height, _BAND, label)
            )
        middle = (each.middle - bottom) / span - 0.004
        bars.append(Bar(place * width, width * 0.85, middle, 0.008, _MIDDLE, label))
    step = max(len(curve) // 6, 1)
    x_ticks = [(place * width, f"{curve[place].age} d") for place in range(0, len(curve), step)]
    # labels that are too close to that of 100 % would cover it
    marks = [1.0, *(each for each in (min(ends), max(ends)) if abs(each - 1) > span / 10)]
    y_ticks = [((value - bottom) / span, f"{100 * value:.0f} %") for value in marks]
    return Plot(bars, x_ticks, y_ticks)
