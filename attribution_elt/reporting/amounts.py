"""Sections on money: revenue by channel, what was restated of it, and the model's credits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from markupsafe import Markup

from attribution_elt.reporting import plots
from attribution_elt.reporting.cards import (
    NO_CHANNEL,
    OTHERS,
    Card,
    Section,
    Table,
    counted,
    minute,
    money,
)
from attribution_elt.reporting.credit import Comparison
from attribution_elt.reporting.movements import Movement, Restated, restated
from attribution_elt.reporting.plots import CHANNELS, OTHER, Bar
from attribution_elt.reporting.reading import Revenue, Warehouse
from attribution_elt.reporting.revenue import Figure, Key

_LONG = 120
"""Days of a plot from which on weeks are shown."""
_LATER = (
    # how long after the day, in days at most; in words; colour
    (1, "found the next day", "var(--c1)"),
    (7, "within 7 days", "var(--c2)"),
    (30, "within 30 days", "var(--c3)"),
    (10**6, "later", "var(--c4)"),
)
_LATEST = 20
"""Times at which something was found to have moved that are listed."""

Amounts = dict[tuple[date, str], Decimal]


def revenue(warehouse: Warehouse, since: date) -> Section:
    """Show what each vendor credits its channels with."""
    section = Section(
        "revenue",
        "Revenue by channel",
        "As each vendor credits it now, by the day of the order in UTC. Vendors and currencies "
        "are not added up.",
    )
    for found in warehouse.revenues:
        if found.missing:
            lines = [f"Nothing to show: {found.missing}."]
            section.cards.append(Card(_title(found), lines))
            continue
        recent = {key: figure for key, figure in found.figures.items() if key.day >= since}
        if not recent:
            section.cards.append(Card(_title(found), [f"No order since {since}."]))
        for currency in _currencies(recent):
            of_it = {key: each for key, each in recent.items() if key.currency == currency}
            section.cards.append(_revenue(_title(found, currency), currency, of_it))
    return section


def _title(found: Revenue | Comparison, currency: str | None = None) -> str:
    return ", ".join(filter(None, (found.vendor, found.tap, currency)))


def _currencies(keys: Iterable[Key]) -> list[str | None]:
    return sorted({key.currency for key in keys}, key=str)


def _revenue(title: str, currency: str | None, figures: Mapping[Key, Figure]) -> Card:
    orders: defaultdict[str, Decimal] = defaultdict(Decimal)
    amounts: defaultdict[str, Decimal] = defaultdict(Decimal)
    for key, figure in figures.items():
        name = key.channel or NO_CHANNEL
        orders[name] += figure.conversions
        amounts[name] += figure.revenue
    ranked = sorted(amounts, key=lambda name: amounts[name], reverse=True)
    colours = dict(zip(ranked, CHANNELS, strict=False))
    if len(ranked) > len(CHANNELS):
        colours = {name: colours[name] for name in ranked[: len(CHANNELS) - 1]} | {OTHERS: OTHER}
    daily: defaultdict[tuple[date, str], Decimal] = defaultdict(Decimal)
    for key, figure in figures.items():
        name = key.channel or NO_CHANNEL
        daily[key.day, name if name in colours else OTHERS] += figure.revenue
    total = sum(amounts.values(), Decimal())
    rows = [
        (
            name,
            f"{orders[name]:,.0f}",
            money(amounts[name]),
            f"{100 * amounts[name] / total:.0f} %" if total else "",
        )
        for name in ranked
    ]
    days = min(key.day for key in figures), max(key.day for key in figures)
    count = counted(round(sum(orders.values())), "order")
    return Card(
        title,
        [f"{count} worth {money(total, currency)} from {days[0]} to {days[1]}."],
        _plot(daily, colours, currency, days),
        [(colour, name) for name, colour in colours.items()],
        [Table("Channels", ("channel", "orders", currency or "revenue", "share"), rows)],
    )


def _plot(
    amounts: Mapping[tuple[date, str], Decimal],
    colours: Mapping[str, str],
    currency: str | None,
    days: tuple[date, date],
) -> Markup:
    """Draw amounts by day and name, or by week where there are many days."""
    weekly = (days[1] - days[0]).days > _LONG
    sums: defaultdict[date, defaultdict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for (day, name), amount in amounts.items():
        sums[day - timedelta(days=day.weekday()) if weekly else day][name] += amount
    width = timedelta(days=7 if weekly else 1)
    bars = []
    for slot in sorted(sums):
        up = down = Decimal()
        start = datetime.combine(slot, time(), UTC)
        for name, colour in colours.items():
            amount = sums[slot][name]
            base = up if amount > 0 else down
            what = f"{'week of ' if weekly else ''}{slot}, {name}: {money(amount, currency)}"
            bars.append(Bar(start, start + width, float(base), float(base + amount), colour, what))
            up, down = up + max(amount, Decimal()), down + min(amount, Decimal())
    first, last = (datetime.combine(day, time(), UTC) for day in days)
    start = min([first, *(bar.start for bar in bars)])
    drawn = [bar for bar in bars if bar.low != bar.high]
    return plots.stacks(drawn, start, last + timedelta(days=1))


def restatements(warehouse: Warehouse, since: date) -> Section:
    """Show how far days have moved since they were first seen, and when."""
    section = Section(
        "restated",
        "Restatements",
        "How far a day's revenue has moved since it was first seen as a whole: orders are "
        "returned, cancelled, credited late or to another channel. A colour for how long after the "
        "day that was found.",
    )
    for found in warehouse.revenues:
        notes = [each for each in found.notes if each.key.day >= since]
        remark = []
        if found.remark:
            remark = [f"What has changed since then could not be noted: {found.remark}."]
        if not notes:
            section.cards.append(Card(_title(found), ["Nothing has been noted yet.", *remark]))
        for currency in _currencies(each.key for each in notes):
            days = list(restated(each for each in notes if each.key.currency == currency))
            card = _restated(_title(found, currency), currency, days)
            card.lines += remark
            section.cards.append(card)
    return section


def _restated(title: str, currency: str | None, days: Sequence[Restated]) -> Card:
    movements = [movement for day in days for movement in day.movements]
    if not movements:
        seen = f"None of {counted(len(days), 'day')} has moved since it was first seen."
        return Card(title, [seen if days else "No day has been seen as a whole yet."])
    changed = [day for day in days if day.movements]
    has = "has" if len(days) == 1 else "have"
    found = f"{len(changed)} of {counted(len(days), 'day')} {has} moved: "
    card = Card(title, [found + _sums(movements, currency)])
    amounts: defaultdict[tuple[date, str], Decimal] = defaultdict(Decimal)
    for each in movements:
        amounts[each.day, _later(each)] += each.moved
    names = {name for (_, name), amount in amounts.items() if amount}
    colours = {name: colour for _, name, colour in _LATER if name in names}
    if colours:
        card.plot = _plot(amounts, colours, currency, (days[0].day, days[-1].day))
        card.legend = [(colour, name) for name, colour in colours.items()]
    card.tables = [_by_moment(movements), _by_day(changed)]
    return card


def _sums(movements: Sequence[Movement], currency: str | None) -> str:
    up = sum((max(each.moved, Decimal()) for each in movements), Decimal())
    down = sum((min(each.moved, Decimal()) for each in movements), Decimal())
    shifted = sum((each.shifted for each in movements), Decimal())
    return (
        f"{money(up, currency)} up, {money(-down, currency)} down, and "
        f"{money(shifted, currency)} from one channel to another."
    )


def _later(movement: Movement) -> str:
    return next(name for most, name, _ in _LATER if movement.days_later <= most)


def _by_moment(movements: Iterable[Movement]) -> Table:
    """Tell when something was found to have moved, the latest first."""
    found: defaultdict[datetime, list[Movement]] = defaultdict(list)
    for each in movements:
        found[each.noted_at].append(each)
    rows = [
        (
            minute(noted_at),
            f"{len(moved):,}",
            money(sum((each.moved for each in moved), Decimal()), signed=True),
            money(sum((each.shifted for each in moved), Decimal())),
        )
        for noted_at, moved in sorted(found.items(), reverse=True)[:_LATEST]
    ]
    return Table("When", ("found (UTC)", "days", "moved", "between channels"), rows)


def _by_day(days: Iterable[Restated]) -> Table:
    rows = []
    for day in reversed(list(days)):
        moved = sum((each.moved for each in day.movements), Decimal())
        share = f"{100 * moved / day.first:+.1f} %" if day.first else ""
        rows.append((f"{day.day}", money(day.first), money(day.first + moved), share))
    return Table("Days", ("day", "first seen", "now", "moved"), rows)


def credits_of(warehouse: Warehouse) -> Section:
    """Show what IHC credits channels with, beside what a vendor does."""
    section = Section(
        "credits",
        "Credits by channel",
        "The same conversions, credited by IHC's model and by the vendor itself.",
    )
    section.cards = [_compared(each) for each in warehouse.comparisons]
    if not section.cards:
        why = (
            "None of the conversions that IHC has credited is an order or an event here."
            if warehouse.is_compared
            else "IHC has credited nothing yet."
        )
        section.cards.append(Card("IHC", [why]))
    return section


def _compared(comparison: Comparison) -> Card:
    series = ("IHC", comparison.vendor)
    of_all = f"{comparison.shared:,} of the {counted(comparison.credited, 'conversion')}"
    ranked = sorted(comparison.channels.items(), key=lambda each: max(each[1]), reverse=True)
    values = [
        {
            "channel": channel or NO_CHANNEL,
            "series": name,
            "amount": float(amount),
            "label": f"{channel or NO_CHANNEL}, {name}: {money(amount, comparison.currency)}",
        }
        for channel, amounts in ranked
        for name, amount in zip(series, amounts, strict=True)
    ]
    rows = [
        (channel or NO_CHANNEL, money(ours), money(theirs), money(ours - theirs, signed=True))
        for channel, (ours, theirs) in ranked
    ]
    return Card(
        _title(comparison, comparison.currency),
        [f"{of_all} that IHC has credited, by the type {comparison.conv_type}."],
        plots.pairs(values, series, comparison.currency or "revenue"),
        list(zip(CHANNELS, series, strict=False)),
        [Table("Channels", ("channel", *series, "difference"), rows)],
    )
