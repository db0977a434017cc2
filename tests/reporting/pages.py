"""Reports of a warehouse, and what a reader sees of them."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from html.parser import HTMLParser

from attribution_elt.reporting.page import page
from attribution_elt.reporting.reading import read
from tests.reporting.vendors_data import extractors, loader
from tests.targets.target_warehouse.warehouses import Warehouse

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
LESS = "\N{MINUS SIGN}"


class Reader(HTMLParser):
    """Collects the visible text, the elements, and the URLs that a browser would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.loads: list[str] = []
        self.shown: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.loads += [
            f"{name}={value}"
            for name, value in attrs
            if name in {"src", "srcset", "href", "xlink:href", "data", "poster", "action"}
            and not str(value).startswith(("#", "data:text/csv;"))
        ]

    def handle_data(self, data: str) -> None:
        self.shown.append(data.strip().replace("\N{NO-BREAK SPACE}", " "))

    @property
    def text(self) -> str:
        return " | ".join(filter(None, self.shown))


def made(warehouse: Warehouse, *taps: str, now: datetime = NOW) -> str:
    since = datetime.combine(now.date() - timedelta(days=27), time(), UTC)
    return page([read(loader(warehouse), extractors(*taps), since)], "dev", now, 28)


def shown(warehouse: Warehouse, *taps: str, now: datetime = NOW) -> str:
    return Reader(made(warehouse, *taps, now=now)).text
