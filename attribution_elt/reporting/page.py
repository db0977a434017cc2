"""The page: one HTML file without scripts and external resources."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from attribution_elt.reporting import amounts, loads, models
from attribution_elt.reporting.amounts import Window
from attribution_elt.reporting.cards import Section, shown
from attribution_elt.reporting.reading import Warehouse


def page(warehouses: Sequence[Warehouse], environment: str, now: datetime, days: int) -> str:
    """Return the page about these warehouses, for the last days until now."""
    window = Window.ending(now.date(), days)
    jinja = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    jinja.filters["shown"] = shown
    text = (files("attribution_elt.reporting") / "page.html").read_text(encoding="utf-8")
    html = jinja.from_string(text).render(
        now=f"{now:%Y-%m-%d %H:%M} UTC",
        window=window,
        environment=environment,
        tiles=loads.tiles(warehouses, window),
        parts=[
            (each, f"{number}-" if number else "", _sections(each, window))
            for number, each in enumerate(warehouses)
        ],
    )
    # no line breaks within percentages and their ranges
    return re.sub(
        r" %( to (?=\d))?", lambda found: found[0].replace(" ", "\N{NO-BREAK SPACE}"), html
    )


def _sections(warehouse: Warehouse, window: Window) -> list[Section]:
    if warehouse.problem:
        return []
    every = (
        amounts.revenue(warehouse, window),
        amounts.restatements(warehouse, window),
        models.credits_of(warehouse, window),
        loads.freshness(warehouse, window),
        loads.failures(warehouse, window),
    )
    return [each for each in every if each.cards]
