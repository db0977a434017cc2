"""The parts of the page: sections, cards, tables and plots, and formats of values."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import quote

NO_CHANNEL, OTHERS = "no channel", "all others"
CHANNELS = tuple(f"var(--c{number})" for number in range(1, 9))
OTHER = "var(--other)"
Kind = Literal["text", "count", "money", "signed", "share", "change", "instant"]
"""Kinds of columns; each has its own format."""
MOST_LISTED = 5
_FORMULA = ("=", "+", "-", "@", "\t")
_MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Column:
    """A column of a table; with a colour, each number has a bar of that colour."""

    name: str
    kind: Kind = "text"
    colour: str = ""


@dataclass(frozen=True)
class Bar:
    """A rectangle of a plot; position and size are fractions of the plot's, from the lower left."""

    left: float
    width: float
    bottom: float
    height: float
    colour: str
    label: str


@dataclass(frozen=True)
class Plot:
    """Bars, with labels of the axes; positions are fractions of the width and height."""

    bars: Sequence[Bar]
    x_ticks: Sequence[tuple[float, str]] = ()
    y_ticks: Sequence[tuple[float, str]] = ()


@dataclass(frozen=True)
class Table:
    """A title and rows of values, formatted by the kinds of their columns.

    Attributes:
        title: title, and name of the CSV file.
        total: the last row, in bold.
        swatches: a colour before each row's first value.
        plots: a plot at the end of each row.
        folded: whether the table is collapsed at first.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]
    total: Sequence[Any] = ()
    swatches: Sequence[str] = ()
    plots: Sequence[Plot] = ()
    folded: bool = False

    def bar(self, column: Column, value: Decimal) -> float:
        """Return the width of a value's bar, in percent of the widest in columns of its kind."""
        alike = [
            place
            for place, each in enumerate(self.columns)
            if each.colour and each.kind == column.kind
        ]
        most = max(abs(row[place] or 0) for row in self.rows for place in alike)
        return float(100 * abs(value) / most)

    def without_empty_columns(self) -> Table:
        """Return the table without columns that have no value."""
        kept = [
            place
            for place in range(len(self.columns))
            if any(row[place] is not None for row in self.rows)
        ]

        def chosen(values: Sequence[Any]) -> list[Any]:
            return [values[place] for place in kept] if values else []

        rows = [chosen(row) for row in self.rows]
        return replace(self, columns=chosen(self.columns), rows=rows, total=chosen(self.total))

    @property
    def csv(self) -> str:
        """The values as a data URI of a CSV file."""
        file = io.StringIO()
        writer = csv.writer(file)
        writer.writerow([column.name for column in self.columns])
        for row in self.rows:
            writer.writerow(
                _raw(value, each.kind) for value, each in zip(row, self.columns, strict=True)
            )
        return "data:text/csv;charset=utf-8," + quote(file.getvalue())


@dataclass
class Card:
    """One subject: sentences, a plot, and tables.

    Attributes:
        lines: sentences.
        hints: advice to the reader.
        legend: colours and their meaning.
    """

    title: str
    lines: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)
    plot: Plot | None = None
    legend: Sequence[tuple[str, str]] = ()
    tables: Sequence[Table] = ()


@dataclass
class Section:
    """Cards on one question."""

    anchor: str
    title: str
    about: str
    legend: Sequence[tuple[str, str]] = ()
    cards: list[Card] = field(default_factory=list)


@dataclass(frozen=True)
class Tile:
    """A number of the header; `bad` if somebody should check the section `anchor`."""

    name: str
    value: str
    remark: str
    anchor: str
    bad: bool = False


def shown(value: Any, kind: Kind) -> str:
    """Return a value as the page shows it; "" for None."""
    return "" if value is None else _FORMATS[kind](value)


def _raw(value: Any, kind: Kind) -> str:
    """Return a value for a CSV file; text cannot run as a spreadsheet's formula."""
    if isinstance(value, Decimal):
        return f"{value:.4f}" if kind in {"share", "change"} else f"{value:.2f}"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return "" if value is None else str(value)


def money(amount: Decimal, currency: str | None = None, *, signed: bool = False) -> str:
    """Format an amount, rounded to a unit, with its currency."""
    number = f"{amount:+,.0f}" if signed else f"{amount:,.0f}"
    number = "0" if number in {"-0", "+0"} else number.replace("-", _MINUS)
    return f"{number} {currency}" if currency else number


def minute(moment: datetime | None) -> str:
    """Format an instant in UTC."""
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "never"


def listed(texts: Iterable[str]) -> Iterator[str]:
    """Yield the first of some texts, and the number of further ones."""
    every = list(texts)
    yield from every[:MOST_LISTED]
    if len(every) > MOST_LISTED:
        yield f"and {len(every) - MOST_LISTED:,} more"


_FORMATS: Mapping[Kind, Callable[[Any], str]] = {
    "text": str,
    "count": lambda value: f"{value:,.0f}",
    "money": money,
    "signed": lambda value: money(value, signed=True),
    "share": lambda value: f"{100 * value:.0f} %".replace("-", _MINUS),
    "change": lambda value: f"{100 * value:+.1f} %".replace("-", _MINUS),
    "instant": minute,
}
