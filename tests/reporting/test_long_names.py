"""The page in a browser, with names as long as campaigns' may be."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from attribution_elt.reporting.page import page
from attribution_elt.reporting.reading import read
from tests.reporting import chromium
from tests.reporting.test_models_section import NOW
from tests.reporting.vendors_data import extractors, loader
from tests.targets.target_warehouse.warehouses import DuckDB
from tests.transform.shop import Shop, order

NAMES = ("x" * 400, "<b>" + "campaign_" * 40, "\N{SHOPPING TROLLEY}" * 90, "words " * 60)


def test_long_names_leave_room_for_the_numbers(tmp_path: Path) -> None:
    browser = chromium.found()
    if browser is None:
        pytest.skip("Chromium is not installed")
    shop = Shop(DuckDB(f"duckdb:///{tmp_path}/warehouse.duckdb", tmp_path))
    orders = [
        order(f"o{number}", "2026-03-19T10:00:00Z", 12_345_678.0, name)
        for number, name in enumerate(NAMES)
    ]
    shop.load("tap_ecdp", "attributed_orders", *orders)
    with duckdb.connect(f"{tmp_path}/warehouse.duckdb") as opened:
        opened.execute("UPDATE tap_ecdp._runs SET complete = true")  # then the page has its time
    found = read(loader(shop.warehouse), extractors("tap-ecdp"), NOW.replace(hour=0))
    file = tmp_path / "page.html"
    file.write_text(page([found], "environment-" * 20, NOW, 7), encoding="utf-8")
    with chromium.Chromium(browser, tmp_path / "profile") as shown:
        for width in (320, 390, 800, 1280):
            shown.show(file, width=width)
            assert shown.evaluate("document.documentElement.scrollWidth") <= width
            cells = "[...document.querySelectorAll('.money')]"
            right = "Math.max(...cells.map(cell => cell.getBoundingClientRect().right))"
            assert 0 < shown.evaluate(f"(cells => {right})({cells})") <= width
            if width < 700:  # a phone shows a table's cells below each other
                tables = "[...document.querySelectorAll('.scroll')]"
                cut = "filter(table => table.scrollWidth > table.clientWidth).length"
                assert shown.evaluate(f"{tables}.{cut}") == 0
