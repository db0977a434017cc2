"""The page: one HTML file that asks for nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from attribution_elt.reporting import amounts, loads
from attribution_elt.reporting.reading import Warehouse


def page(warehouses: Sequence[Warehouse], environment: str, now: datetime, days: int) -> str:
    """Return the page on these warehouses, with what is of the last so many days."""
    since = (now - timedelta(days=days)).date()
    template = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    ).from_string((files("attribution_elt.reporting") / "page.html").read_text(encoding="utf-8"))
    return template.render(
        made=f"{now:%Y-%m-%d %H:%M} UTC",
        environment=environment,
        tiles=loads.tiles(warehouses, now, days),
        parts=[
            (
                each,
                f"{number}-" if number else "",
                []
                if each.problem
                else [
                    loads.freshness(each, now),
                    amounts.revenue(each, since),
                    amounts.restatements(each, since),
                    amounts.credits_of(each),
                    loads.failures(each, days),
                ],
            )
            for number, each in enumerate(warehouses)
        ],
    )
