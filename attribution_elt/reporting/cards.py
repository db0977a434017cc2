"""What the page is made of, in words and numbers as they are shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from markupsafe import Markup

NO_CHANNEL, OTHERS = "no channel", "all others"
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True)
class Table:
    """Rows of texts beneath a title; all but the first `left` columns are to the right."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: int = 1
    folded: bool = True


@dataclass
class Card:
    """One plot, and what there is to say of it.

    Attributes:
        title: of what it is.
        lines: sentences.
        plot: None where there is nothing to be drawn.
        legend: colours and what they are of.
        tables: the same in numbers.
        wide: whether it is as wide as the page.
    """

    title: str
    lines: list[str] = field(default_factory=list)
    plot: Markup | None = None
    legend: Sequence[tuple[str, str]] = ()
    tables: Sequence[Table] = ()
    wide: bool = False


@dataclass
class Section:
    """Some cards on one question; the legend is that of all their plots."""

    anchor: str
    title: str
    about: str
    legend: Sequence[tuple[str, str]] = ()
    cards: list[Card] = field(default_factory=list)


@dataclass(frozen=True)
class Tile:
    """A number at the page's head; `bad` if somebody should look."""

    name: str
    value: str
    remark: str
    bad: bool = False
    anchor: str = ""


def money(amount: Decimal, currency: str | None = None, *, signed: bool = False) -> str:
    """Write an amount, rounded to a whole unit."""
    number = f"{amount:+,.0f}" if signed else f"{amount:,.0f}"
    number = "0" if number in {"-0", "+0"} else number.replace("-", "\N{MINUS SIGN}")
    return f"{number} {currency}" if currency else number


def counted(number: int, what: str) -> str:
    """Write a number of things."""
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def ago(moment: datetime, now: datetime) -> str:
    """Write how long ago something was."""
    age = max(now - moment, timedelta())
    if age >= 2 * _DAY:
        return f"{age // _DAY} days ago"
    if age >= 2 * _HOUR:
        return f"{age // _HOUR} h ago"
    return f"{age // _MINUTE} min ago" if age >= _MINUTE else "just now"


def minute(moment: datetime | None) -> str:
    """Write an instant in UTC."""
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "never"


def listed(texts: Iterable[str], most: int = 5) -> Iterator[str]:
    """Yield the first of some texts, and how many more there are."""
    every = list(texts)
    yield from every[:most]
    if len(every) > most:
        yield f"and {len(every) - most:,} more"
