"""Sections on money: revenue by channel and restatements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from attribution_elt.core.text import counted
from attribution_elt.kit import windows
from attribution_elt.reporting import lateness, plots
from attribution_elt.reporting.cards import (
    CHANNELS,
    NO_CHANNEL,
    OTHER,
    OTHERS,
    Card,
    Column,
    Section,
    Table,
    money,
)
from attribution_elt.reporting.movements import Movement, Restated, restated
from attribution_elt.reporting.reading import Revenue, Warehouse
from attribution_elt.reporting.revenue import Figure, Key

AGES = (
    (1, "seen the next day", "var(--s1)"),
    (7, "within 7 days", "var(--s2)"),
    (30, "within 30 days", "var(--s3)"),
    (10**6, "later", "var(--s4)"),
)
"""Ages of a restatement: maximum days after the day, label and colour."""
UNKNOWN = "no day was loaded completely"
LATEST = 8
"""Number of restatements listed, by time."""


@dataclass(frozen=True)
class Window(windows.Window):
    """The days of the page."""

    @classmethod
    def ending(cls, last: date, days: int) -> Window:
        """Return the window of this many days that ends at a day."""
        return cls(last - timedelta(days=days - 1), last)

    @property
    def before(self) -> Window:
        """The window of the same length before this one."""
        return Window.ending(self.first - timedelta(days=1), self.days)

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last

    def __str__(self) -> str:
        return f"{self.first} to {self.last}"


def revenue(warehouse: Warehouse, window: Window) -> Section:
    """Show the revenue of each vendor by channel."""
    section = Section(
        "revenue",
        "Revenue by channel",
        "The current credits of each vendor, by the UTC day of the conversion. Vendors and "
        f"currencies are not added up. Change compares with {window.before}. Restated is the part "
        "that changed after its day was first complete.",
    )
    for found in warehouse.revenues:
        recent = {key: figure for key, figure in found.figures.items() if key.day in window}
        if found.missing:
            section.cards.append(Card(_title(found), [f"Nothing to show: {found.missing}."]))
        elif not recent:
            nothing = f"No {found.source.noun} from {window}."
            if not found.figures and not found.loaded_at:
                nothing = f"Nothing to show: {UNKNOWN}."
            section.cards.append(Card(_title(found), [nothing]))
        for currency in _currencies(recent):
            section.cards.append(_revenue(found, currency, window))
    return section


def _title(found: Revenue, currency: str | None = None) -> str:
    return ", ".join(filter(None, (found.source.vendor, found.tap, currency)))


def _currencies(keys: Iterable[Key]) -> list[str | None]:
    return sorted({key.currency for key in keys}, key=str)


def _by_channel(figures: Mapping[Key, Figure], window: Window) -> dict[str, Figure]:
    """Return the sums of a window by channel, greatest revenue first."""
    conversions: defaultdict[str, Decimal] = defaultdict(Decimal)
    amounts: defaultdict[str, Decimal] = defaultdict(Decimal)
    for key, figure in figures.items():
        if key.day in window:
            conversions[key.channel or NO_CHANNEL] += figure.conversions
            amounts[key.channel or NO_CHANNEL] += figure.revenue
    ranked = sorted(amounts, key=lambda name: amounts[name], reverse=True)
    return {name: Figure(conversions[name], amounts[name]) for name in ranked}


def _revenue(found: Revenue, currency: str | None, window: Window) -> Card:
    figures = {key: each for key, each in found.figures.items() if key.currency == currency}
    now = _by_channel(figures, window)
    first = min(key.day for key in figures)
    comparable = first <= window.before.first
    before = _by_channel(figures, window.before) if comparable else {}
    moved: defaultdict[str, Decimal] = defaultdict(Decimal)
    recorded = _restated_days(found, currency, window)
    for movement in _movements(recorded):
        for channel, amount in movement.channels.items():
            moved[channel or NO_CHANNEL] += amount
    # a channel that lost all of its revenue has a row too
    earlier = [name for name, each in before.items() if each.revenue]
    earlier += [name for name, amount in moved.items() if amount]
    now |= {name: Figure(Decimal(), Decimal()) for name in earlier if name not in now}
    total = Figure(
        sum((each.conversions for each in now.values()), Decimal()),
        sum((each.revenue for each in now.values()), Decimal()),
    )
    base = sum((each.revenue for each in before.values()), Decimal())
    colours = _colours(list(now))
    rows = [
        (
            name,
            each.conversions,
            each.revenue,
            each.revenue / total.revenue if total.revenue else None,
            _change(each.revenue, before.get(name)),
            moved[name] if recorded else None,
        )
        for name, each in now.items()
    ]
    sums = ("total", total.conversions, total.revenue, None, _change(total.revenue, base))
    noun = found.source.noun
    columns = (
        Column("channel"),
        Column(f"{noun}s", "count"),
        Column(_in("revenue", currency), "money"),
        Column("share", "share", "var(--c1)"),
        Column("change", "change"),
        Column(_in("restated", currency), "signed"),
    )
    daily: defaultdict[tuple[date, str], Decimal] = defaultdict(Decimal)
    for key, figure in figures.items():
        if key.day in window:
            name = key.channel or NO_CHANNEL
            daily[key.day, name if name in colours else OTHERS] += figure.revenue
    card = Card(
        _title(found, currency),
        [f"{counted(round(total.conversions), noun)} worth {money(total.revenue, currency)}."],
        plot=plots.stacks(daily, colours, currency, window.first, window.last),
        tables=[
            Table(
                f"Revenue by channel, {_title(found, currency)}",
                columns,
                rows,
                (*sums, sum(moved.values(), Decimal()) if recorded else None),
                [colours.get(name, OTHER) for name in now],
            ).without_empty_columns()
        ],
    )
    if len(now) > len(colours):
        card.legend = [(OTHER, OTHERS)]
    if not comparable:
        card.lines.append(f"No change is shown, because the data begins on {first}.")
    if currency is None:
        card.hints.append(f"{found.source.currency_hint}.")
    return card


def _in(name: str, currency: str | None) -> str:
    """Return the name of a column with the unit of its amounts."""
    return f"{name} ({currency})" if currency else name


def _change(now: Decimal, before: Figure | Decimal | None) -> Decimal | None:
    base = before.revenue if isinstance(before, Figure) else before
    return (now - base) / abs(base) if base else None


def _colours(ranked: Sequence[str]) -> dict[str, str]:
    if len(ranked) <= len(CHANNELS):
        return dict(zip(ranked, CHANNELS, strict=False))
    return dict(zip(ranked[: len(CHANNELS) - 1], CHANNELS, strict=False)) | {OTHERS: OTHER}


def _restated_days(found: Revenue, currency: str | None, window: Window) -> list[Restated]:
    notes = (each for each in found.notes if each.key.day in window)
    return list(restated(each for each in notes if each.key.currency == currency))


def _movements(days: Iterable[Restated]) -> Iterator[Movement]:
    for day in days:
        yield from day.movements


def restatements(warehouse: Warehouse, window: Window) -> Section:
    """Show how the revenue of days changed after they were first complete."""
    section = Section(
        "restated",
        "Restatements",
        "Changes of a day's revenue after the day was first complete: orders are returned, "
        "cancelled, credited late or moved to another channel. The darker the colour, the later "
        "the change.",
    )
    for found in warehouse.revenues:
        currencies = _currencies(each.key for each in found.notes if each.key.day in window)
        if not currencies:
            why = found.missing or found.unversioned or UNKNOWN
            section.cards.append(Card(_title(found), [f"Nothing to show: {why}."]))
        for currency in currencies:
            days = _restated_days(found, currency, window)
            section.cards.append(_restated(_title(found, currency), currency, days, window))
            section.cards += lateness.cards(found, currency, _title(found, currency))
    return section


def _restated(title: str, currency: str | None, days: Sequence[Restated], window: Window) -> Card:
    movements = list(_movements(days))
    if not movements:
        none = f"None of {counted(len(days), 'day')} has changed since it was first complete."
        return Card(title, [none if days else "No day is complete yet."])
    changed = [day for day in days if day.movements]
    has = "has" if len(days) == 1 else "have"
    head = f"{len(changed)} of {counted(len(days), 'day')} {has} changed: "
    amounts: defaultdict[tuple[date, str], Decimal] = defaultdict(Decimal)
    for each in movements:
        amounts[each.day, _age(each)] += each.moved
    names = {name for (_, name), amount in amounts.items() if amount}
    colours = {name: colour for _, name, colour in AGES if name in names}
    plot = plots.stacks(amounts, colours, currency, window.first, window.last) if colours else None
    return Card(
        title,
        [head + _sums(movements, currency)],
        plot=plot,
        legend=[(colour, name) for name, colour in colours.items()],
        tables=[
            _by_moment(f"Restatements by time, {title}", movements, currency),
            _by_day(f"Restatements by day, {title}", changed, currency),
        ],
    )


def _sums(movements: Sequence[Movement], currency: str | None) -> str:
    up = sum((max(each.moved, Decimal()) for each in movements), Decimal())
    down = sum((min(each.moved, Decimal()) for each in movements), Decimal())
    shifted = sum((each.shifted for each in movements), Decimal())
    return (
        f"{money(up, currency)} up, {money(-down, currency)} down, and "
        f"{money(shifted, currency)} from one channel to another."
    )


def _age(movement: Movement) -> str:
    return next(name for most, name, _ in AGES if movement.days_later <= most)


def _by_moment(title: str, movements: Iterable[Movement], currency: str | None) -> Table:
    found: defaultdict[datetime, list[Movement]] = defaultdict(list)
    for each in movements:
        found[each.noted_at].append(each)
    rows = [
        (
            noted_at,
            len(moved),
            sum((each.moved for each in moved), Decimal()),
            sum((each.shifted for each in moved), Decimal()),
        )
        for noted_at, moved in sorted(found.items(), reverse=True)[:LATEST]
    ]
    columns = (
        Column("seen (UTC)", "instant"),
        Column("days", "count"),
        Column(_in("change", currency), "signed"),
        Column(_in("between channels", currency), "money"),
    )
    return Table(title, columns, rows)


def _by_day(title: str, days: Sequence[Restated], currency: str | None) -> Table:
    rows = []
    for day in reversed(days):
        moved = sum((each.moved for each in day.movements), Decimal())
        change = moved / abs(day.first) if day.first else None
        rows.append((day.day, day.first, day.first + moved, change))
    columns = (
        Column("day"),
        Column(_in("first complete", currency), "money"),
        Column(_in("now", currency), "money"),
        Column("change", "change"),
    )
    return Table(title, columns, rows, folded=True)
