"""Draws speed and memory by size, as an SVG that can be read on light and on dark."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from html import escape
from itertools import groupby

from vendors.contenders import CONTENDERS
from vendors.results import Results

WIDTH, HEIGHT = 175, 150  # size of a panel
LEFT, TOP, GAP = 60, 76, 54
DECADES = range(-3, 9)
STYLE = """
    .page { fill: #ffffff } .grid { stroke: #d8dee4 } text { fill: #1f2328 } .said { fill: #57606a }
    .line { fill: none; stroke-width: 2.2 }
    .c0 { --c: #0969da } .c1 { --c: #8250df } .c2 { --c: #1a7f37 } .c3 { --c: #bc4c00 }
    .line { stroke: var(--c) } .dot { fill: var(--c) }
    text { font: 12px system-ui, "Segoe UI", Helvetica, Arial, sans-serif }
    .name { font-weight: 600; font-size: 13px } .middle { text-anchor: middle }
    .end { text-anchor: end }
    @media (prefers-color-scheme: dark) {
      .page { fill: #0d1117 } .grid { stroke: #30363d } text { fill: #e6edf3 }
      .said { fill: #aab4bf }
      .c0 { --c: #58a6ff } .c1 { --c: #bc8cff } .c2 { --c: #3fb950 } .c3 { --c: #f0883e }
    }
"""


def draw(results: Sequence[Results]) -> str:
    """Draw a column for each scene with peers: rows per second above, memory below."""
    grouped = groupby(
        (each for each in results if each.rounds and not each.failed), key=lambda each: each.scene
    )
    scenes = [
        (name, points)
        for name, points in ((name, list(group)) for name, group in grouped)
        if len({each.rows for each in points}) > 1 < len({each.contender for each in points})
    ]
    done = [each for _, points in scenes for each in points]
    rates = Panels("rows per second", lambda each: each.rows / each.seconds, done)
    memory = Panels("peak memory, MB", lambda each: each.megabytes, done)
    width = LEFT + len(scenes) * (WIDTH + GAP)
    height = TOP + 2 * (HEIGHT + GAP)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
        "<title>Rows per second and peak memory, by rows, of each way into PostgreSQL</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="page" width="{width}" height="{height}"/>',
    ]
    for number, contender in enumerate(CONTENDERS):
        x = LEFT + number * 215
        lines.append(
            f'<g class="c{number}"><path class="line" d="M{x} 20h24"/>'
            f'<circle class="dot" cx="{x + 12}" cy="20" r="3.5"/>'
            f'<text x="{x + 32}" y="24">{escape(contender.name)}</text></g>'
        )
    for number, (name, points) in enumerate(scenes):
        x = LEFT + number * (WIDTH + GAP)
        lines.append(f'<text class="name" x="{x}" y="{TOP - 28}">{escape(name)}</text>')
        lines += rates.draw(x, TOP, points)
        lines += memory.draw(x, TOP + HEIGHT + GAP, points)
    return "\n".join((*lines, "</svg>", ""))


class Panels:
    """Panels of the same measure, on the same logarithmic scales."""

    def __init__(
        self, title: str, value: Callable[[Results], float], results: Sequence[Results]
    ) -> None:
        self._title = title
        self._value = value
        self._lowest, self._highest = _span([value(each) for each in results])
        self._first, self._last = _span([each.rows for each in results])

    def draw(self, x: float, y: float, points: Sequence[Results]) -> Iterator[str]:
        """Draw a panel with its corner at a place."""
        yield f'<text class="said" x="{x}" y="{y - 8}">{self._title}</text>'
        for decade in DECADES:
            if self._lowest <= 10**decade <= self._highest:
                height = y + self._down(10**decade)
                yield f'<path class="grid" d="M{x} {height:.1f}h{WIDTH}"/>'
                yield (
                    f'<text class="said end" x="{x - 5}" y="{height + 4:.1f}">{10**decade:,}</text>'
                )
            if self._first <= 10**decade <= self._last:
                place = x + self._across(10**decade)
                yield f'<path class="grid" d="M{place:.1f} {y}v{HEIGHT}"/>'
                yield (
                    f'<text class="said middle" x="{place:.1f}" y="{y + HEIGHT + 16}">'
                    f"{10**decade:,}</text>"
                )
        for number, contender in enumerate(CONTENDERS):
            own = [
                (x + self._across(each.rows), y + self._down(self._value(each)))
                for each in points
                if each.contender == contender.name
            ]
            line = "L".join(f"{across:.1f} {down:.1f}" for across, down in own)
            yield f'<g class="c{number}">' + (f'<path class="line" d="M{line}"/>' if own else "")
            for across, down in own:
                yield f'<circle class="dot" cx="{across:.1f}" cy="{down:.1f}" r="3.5"/>'
            yield "</g>"

    def _across(self, rows: float) -> float:
        return WIDTH * _share(rows, self._first, self._last)

    def _down(self, value: float) -> float:
        return HEIGHT * (1 - _share(value, self._lowest, self._highest))


def _span(values: Sequence[float]) -> tuple[float, float]:
    """Return a bit less than the minimum and a bit more than the maximum."""
    return min(values, default=1) / 1.5, max(values, default=1) * 1.5


def _share(value: float, least: float, most: float) -> float:
    return math.log(value / least) / math.log(most / least)
