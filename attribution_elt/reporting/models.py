"""The section on attribution models: credits of the same conversions, double claims, changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from decimal import Decimal

from attribution_elt.core.text import counted
from attribution_elt.reporting.amounts import Window
from attribution_elt.reporting.cards import (
    CHANNELS,
    OTHER,
    Card,
    Column,
    Kind,
    Section,
    Table,
    money,
    shown,
)
from attribution_elt.reporting.credit import BASELINE, WEEK, Answers, Claims, Comparison
from attribution_elt.reporting.reading import Warehouse

MOST = 4
"""Maximum number of comparisons that are shown."""
ROWS = 12
"""Maximum number of rows of the other tables."""


def credits_of(warehouse: Warehouse, window: Window) -> Section:
    """Show the models' credits of the same conversions, double claims, and changes."""
    section = Section(
        "credits",
        "Credits by model",
        "The conversions of these days, as the SQL models found them when they were last built. "
        "Each table compares models on the conversions that all of its models credit.",
    )
    found = warehouse.answers
    if warehouse.is_past:
        return section
    if found is None:
        why = ["The SQL models are not built yet."]
        if warehouse.unanswered:
            why = [f"The SQL models cannot be read: {warehouse.unanswered}."]
            why.append("An earlier version may have built them.")
        hints = ["To build them, run: scripts/attribution-elt models"]
        section.cards.append(Card("Attribution models", why, hints))
        return section
    section.cards += [_compared(each) for each in found.comparisons[:MOST]]
    if len(found.comparisons) > MOST:
        more = counted(len(found.comparisons) - MOST, "comparison")
        why = [f"Not shown: {more} of fewer conversions. The table fct_credits has the credits."]
        section.cards.append(Card("Further comparisons", why))
    if not found.comparisons:
        why = ["No conversion of these days has touches that models could credit."]
        section.cards.append(Card("Attribution models", why))
    section.cards.append(_claimed(found.claims))
    section.cards.append(_restated(found, window))
    return section


def _compared(comparison: Comparison) -> Card:
    """Show amounts by channel and model, or numbers of conversions if amounts are unknown."""
    values = comparison.amounts or comparison.credits
    kind: Kind = "money" if comparison.amounts else "count"
    models = list(comparison.credits)
    channels = dict.fromkeys(name for each in comparison.credits.values() for name in each)
    rows = [
        (
            channel,
            *(values.get(model, {}).get(channel) for model in models),
            _spread(comparison, channel),
        )
        for channel in channels
    ]
    rows.sort(key=lambda row: max(amount or 0 for amount in row[1:-1]), reverse=True)
    columns = [Column("channel")]
    columns += [
        Column(model, kind, CHANNELS[0] if model == comparison.reference else OTHER)
        for model in models
    ]
    columns.append(Column("range of shares"))
    totals = [sum(values.get(model, {}).values(), Decimal()) for model in models]
    compared = "SQL models"
    if comparison.reference != BASELINE:
        compared = f"{comparison.reference} and SQL models"
    title = ", ".join(filter(None, (compared, comparison.currency)))
    return Card(
        title,
        [f"{counted(comparison.conversions, 'conversion')}.", *_disagreement(comparison)],
        tables=[Table(f"Credits by model, {title}", columns, rows, ("total", *totals, ""))],
    )


def _spread(comparison: Comparison, channel: str) -> str:
    shares = [comparison.share(model, channel) for model in comparison.credits]
    return f"{shown(min(shares), 'share')} to {shown(max(shares), 'share')}"


def _disagreement(comparison: Comparison) -> Iterator[str]:
    """Yield where the models disagree most."""
    pair = comparison.furthest()
    if not pair:
        yield "All models give every channel the same credit."
        return
    one, other = pair
    channels = {name for model in pair for name in comparison.credits[model]}

    def gap(channel: str) -> Decimal:
        return abs(comparison.share(one, channel) - comparison.share(other, channel))

    most = max(sorted(channels), key=gap)
    first, second = (shown(comparison.share(each, most), "share") for each in pair)
    apart = shown(comparison.distance(*pair), "share")
    yield (
        f"{one} and {other} disagree most: they give {apart} of the credit to different channels. "
        f"{most} gets {first} from {one} and {second} from {other}."
    )


def _claimed(found: Sequence[Claims]) -> Card:
    card = Card("Double claims")
    if not found:
        card.lines.append("No conversion of these days is claimed by two vendors.")
    tables = []
    for claims in found:
        card.lines.append(
            "More than one vendor claims "
            f"{counted(claims.conversions, 'conversion')} worth "
            f"{money(claims.amount, claims.currency)}. The sum of the vendors' reports is "
            f"{money(claims.over, claims.currency)} too high."
        )
        card.lines += _cut(claims.by_channels, "most frequent")
        amount = f"amount ({claims.currency})" if claims.currency else "amount"
        tables.append(
            Table(
                ", ".join(filter(None, ("Double claims", claims.currency))),
                (Column("claims"), Column("conversions", "count"), Column(amount, "money")),
                [
                    (", ".join(names), count, worth)
                    for names, (count, worth) in list(claims.by_channels.items())[:ROWS]
                ],
            )
        )
    card.tables = tables
    return card


def _restated(found: Answers, window: Window) -> Card:
    since = window.last - WEEK
    card = Card(f"Changed since {since}")
    sums: defaultdict[tuple[str, str, str | None], Decimal] = defaultdict(Decimal)
    for each in found.restated:
        if each.as_of > since:
            sums[each.channel, each.model, each.currency] += each.delta
    rows = [(*key, delta) for key, delta in sums.items() if delta]
    rows.sort(key=lambda row: -abs(row[-1]))
    if rows:
        card.lines.append("Changes that vendors made to days that were already loaded.")
        card.lines += _cut(rows, "greatest")
        columns = (
            Column("channel"),
            Column("model"),
            Column("currency"),
            Column("change", "signed"),
        )
        card.tables = [Table(card.title, columns, rows[:ROWS])]
    else:
        card.lines.append("No vendor changed the credits of a day that was already loaded.")
    if not found.has_history:
        card.hints.append("Only tables with the loader's setting history show such changes.")
    return card


def _cut(rows: Collection[object], kind: str) -> Iterator[str]:
    """Yield how many rows a table leaves out, if it does."""
    if len(rows) > ROWS:
        yield f"The {kind} {ROWS} of {len(rows):,}."
