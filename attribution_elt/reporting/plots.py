"""The plots: Vega-Lite specifications, drawn as SVG when the page is made.

Colours are the page's CSS variables, so that a plot is light or dark as the page is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import vl_convert
from markupsafe import Markup

WIDTH = 400
"""Units across a plot: it is drawn to the width that the page gives it, text included."""
CHANNELS = tuple(f"var(--c{number})" for number in range(1, 9))
OTHER = "var(--other)"
_LANE, _BARS = 40, 0.5
"""Height of a stream's lane, and the part of it that bars may fill."""
_TICK = 0.05
"""Of a lane's height, for a run that brought nothing."""
_MARK = re.compile(
    r'<path aria-label="(?P<label>[^"]*)"[^>]* d="(?P<outline>[^"]*)" fill="(?P<fill>[^"]*)"/>'
)
_MUTED, _TEXT, _LINE = "var(--muted)", "var(--text)", "var(--line)"
_AMOUNT = {
    "format": "~s",
    "labelExpr": "datum.value ? datum.label : '0'",  # and not 0k
    "domain": False,
    "ticks": False,
}
_CONFIG = {
    "background": None,
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": _MUTED,
        "titleColor": _MUTED,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "gridColor": _LINE,
        "domainColor": _LINE,
        "tickColor": _LINE,
        "labelLimit": 150,
    },
    "text": {"fontSize": 12},
}


@dataclass(frozen=True)
class Bar:
    """A rectangle, in the plot's own units, with what it says when it is pointed at."""

    start: datetime
    end: datetime
    low: float
    high: float
    colour: str
    label: str


@dataclass(frozen=True)
class Lane:
    """A stream's runs, side by side: heights are from 0 to 1."""

    name: str
    remark: str
    bars: Sequence[Bar]


def lanes(streams: Sequence[Lane], start: datetime, end: datetime) -> Markup:
    """Draw a lane for each stream, one below the other."""
    count = len(streams)
    rows = []
    for place, lane in enumerate(streams):
        floor = count - place - 1
        for bar in lane.bars:
            high = floor + max(_BARS * bar.high, _TICK)
            rows.append({**_row(bar), "low": floor, "high": high})
    names = [
        {"name": lane.name, "remark": lane.remark, "floor": count - place - 1, "top": count - place}
        for place, lane in enumerate(streams)
    ]
    y = {"type": "quantitative", "axis": None, "scale": {"domain": [0, count], "nice": False}}
    text = {"y": {"field": "top", **y}}
    left = {"type": "text", "align": "left", "baseline": "top", "dy": 5, "aria": False}
    spec = {
        "height": _LANE * count,
        "layer": [
            {
                "data": {"values": names},
                "mark": {"type": "rule", "color": _LINE, "aria": False},
                "encoding": {"y": {"field": "floor", **y}},
            },
            {
                "data": {"values": names},
                "mark": {**left, "color": _TEXT},
                "encoding": {**text, "x": {"value": 0}, "text": {"field": "name"}},
            },
            {
                "data": {"values": names},
                "mark": {**left, "align": "right", "color": _MUTED},
                "encoding": {**text, "x": {"value": "width"}, "text": {"field": "remark"}},
            },
            _bars(rows, _time(start, end), {"field": "low", **y}),
        ],
    }
    return _drawn(spec)


def stacks(bars: Sequence[Bar], start: datetime, end: datetime) -> Markup:
    """Draw amounts over time, one upon the other; what is less than nothing, below."""
    y = {
        "field": "low",
        "type": "quantitative",
        "axis": {**_AMOUNT, "title": None, "tickCount": 5},
    }
    zero = {
        "data": {"values": [{"zero": 0}]},
        "mark": {"type": "rule", "color": _MUTED, "aria": False},
        "encoding": {"y": {"field": "zero", "type": "quantitative"}},
    }
    rows = [_row(bar) for bar in bars]
    return _drawn({"height": 170, "layer": [_bars(rows, _time(start, end), y), zero]})


def pairs(rows: Iterable[Mapping[str, Any]], names: Sequence[str], unit: str) -> Markup:
    """Draw, for each `channel`, the `amount` of both `series`, of which each row has one."""
    values = list(rows)
    channels = list(dict.fromkeys(row["channel"] for row in values))
    y = {
        "y": {
            "field": "channel",
            "type": "nominal",
            "sort": None,
            "axis": {"title": None, "ticks": False, "domain": False, "labelColor": _TEXT},
        },
        "yOffset": {"field": "series", "sort": list(names)},
    }
    x = {
        "field": "amount",
        "type": "quantitative",
        "axis": {**_AMOUNT, "title": unit, "tickCount": 4},
    }
    colour = {
        "field": "series",
        "scale": {"domain": list(names), "range": [CHANNELS[0], CHANNELS[1]]},
        "legend": None,
    }
    spec = {
        "data": {"values": values},
        "height": 36 * len(channels),
        "mark": {"type": "bar"},
        "encoding": {**y, "x": x, "color": colour, "description": {"field": "label"}},
    }
    return _drawn(spec)


def _row(bar: Bar) -> dict[str, Any]:
    instants = {"start": _instant(bar.start), "end": _instant(bar.end)}
    return {**asdict(bar), **instants}


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def _time(start: datetime, end: datetime) -> dict[str, Any]:
    days = (end - start).total_seconds() / 86400
    return {
        "field": "start",
        "type": "temporal",
        "scale": {"type": "utc", "domain": [_instant(start), _instant(end)], "nice": False},
        "axis": {
            "title": None,
            "grid": False,
            "tickCount": 5,
            "format": "%-d %b" if days > 3 else "%H:%M",
            "labelOverlap": True,
            "labelSeparation": 10,
            "labelFlush": True,
        },
    }


def _bars(rows: Sequence[Mapping[str, Any]], x: Mapping[str, Any], y: Any) -> dict[str, Any]:
    return {
        "data": {"values": rows},
        "mark": {"type": "rect"},
        "encoding": {
            "x": x,
            "x2": {"field": "end"},
            "y": y,
            "y2": {"field": "high"},
            "color": {"field": "colour", "type": "nominal", "scale": None},
            "description": {"field": "label"},
        },
    }


def _drawn(spec: Mapping[str, Any]) -> Markup:
    whole = {
        "width": WIDTH,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "padding": 4,
        "config": _CONFIG,
        **spec,
    }
    svg = vl_convert.vegalite_to_svg(whole)
    svg = re.sub(r' xmlns(:xlink)?="[^"]*"', "", svg)  # within a page they are known
    svg = _MARK.sub(_with_title, svg)
    return Markup(svg)  # noqa: S704 - texts in it have been escaped where it was drawn


def _with_title(mark: re.Match[str]) -> str:
    """Show what a mark says when it is pointed at, and leave out of it what nobody sees."""
    outline = re.sub(r"(\.\d\d)\d+", r"\1", mark["outline"])
    return f'<path d="{outline}" fill="{mark["fill"]}"><title>{mark["label"]}</title></path>'
