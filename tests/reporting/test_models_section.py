"""The report's section on attribution models, from the tables of the SQL models."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from attribution_elt.reporting.amounts import Window
from attribution_elt.reporting.credit import Answers, Claims, Comparison, CreditChange
from attribution_elt.reporting.models import credits_of
from attribution_elt.reporting.page import page
from attribution_elt.reporting.reading import Warehouse as ReadWarehouse
from attribution_elt.reporting.reading import read
from tests.reporting.pages import LESS, Reader
from tests.reporting.vendors_data import extractors, loader
from tests.targets.target_warehouse.warehouses import DuckDB, Warehouse
from tests.transform.shop import Shop, order, output, purchase, touch

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
TAPS = ("tap-ecdp", "tap-attribution-io", "tap-ihc")
MODELS = ("+fct_credits", "+fct_conversions", "+fct_double_claims", "+fct_restatements")
"""The models that the section reads, with the models that those need."""


def section(warehouse: Warehouse) -> str:
    """Return the text of the section."""
    found = read(loader(warehouse), extractors(*TAPS), NOW - timedelta(days=27, hours=12))
    whole = page([found], "dev", NOW, 28)
    return Reader(whole.partition('<section id="credits">')[2].partition("</section>")[0]).text


@pytest.fixture
def shop(warehouse: Warehouse) -> Shop:
    """Two conversions with two touches each; ECDP claims the first, Attribution.io both."""
    made = Shop(warehouse)
    names = {"medium_name": "cpc", "source_name": "google"}
    made.load(
        "tap_attribution_io",
        "touchpoints",
        touch(1, "a", "2026-03-01T10:00:00Z", "email/letter"),
        touch(2, "a", "2026-03-02T10:00:00Z", "cpc/google"),
        touch(3, "b", "2026-03-01T10:00:00Z", "email/letter"),
        touch(4, "b", "2026-03-02T10:00:00Z", "cpc/google"),
    )
    made.load(
        "tap_attribution_io",
        "events",
        purchase(1, "a", "2026-03-03T10:00:00Z", 100.0, transaction_id="A1"),
        purchase(2, "b", "2026-03-03T10:00:00Z", 50.0),
    )
    outputs = (output(1, 1, 2, 100.0, **names), output(2, 2, 4, 100.0, **names))
    made.load("tap_attribution_io", "event_attributions", *outputs)
    made.load("tap_ecdp", "attributed_orders", order("A1", "2026-03-03T10:00:00Z", 100.0))
    return made


def test_models_are_compared_on_the_same_conversions(shop: Shop) -> None:
    assert "To build them, run: scripts/attribution-elt models" in section(shop.warehouse)
    shop.build(*MODELS, attribution_io_currency="EUR")
    assert shop.failed == {}
    text = section(shop.warehouse)
    # Attribution.io credits both conversions, ECDP credits the first
    both = text.index("attribution_io:Linear and SQL models, EUR | 2 conversions.")
    assert both < text.index("ecdp and SQL models, EUR | 1 conversion.")
    header = "channel | attribution_io:Linear | first | last | last_non_direct | linear"
    assert header in text
    assert "Paid Search | 150 | 150 | 150 | 75" in text
    assert "Email | 150 | 75" in text
    assert "total | 150 | 150 | 150 | 150 | 150" in text
    assert "0 % to 100 %" in text
    assert (
        "attribution_io:Linear and first disagree most: they give 100 % of the credit to different "
        "channels. Email gets 0 % from attribution_io:Linear and 100 % from first." in text
    )
    assert (
        "More than one vendor claims 1 conversion worth 100 EUR. "
        "The sum of the vendors' reports is 100 EUR too high." in text
    )
    assert "attribution_io: Paid Search, ecdp: Email | 1 | 100" in text
    assert "Changed since 2026-03-13 | No vendor changed the credits" in text
    assert "Only tables with the loader's setting history show such changes." in text

    # conversions of other days are not compared
    found = read(loader(shop.warehouse), extractors(*TAPS), datetime(2026, 3, 4, tzinfo=UTC))
    assert found.answers is not None
    assert found.answers.comparisons == []
    assert found.answers.claims == []


def test_baselines_are_compared_without_a_vendor_s_model(duckdb: DuckDB) -> None:
    shop = Shop(duckdb)
    shop.load("tap_attribution_io", "touchpoints", touch(1, "a", "2026-03-01T10:00:00Z"))
    shop.load("tap_attribution_io", "events", purchase(1, "a", "2026-03-03T10:00:00Z", 100.0))
    shop.build(*MODELS)
    text = section(shop.warehouse)
    assert "SQL models | 1 conversion. | All models give every channel the same credit." in text
    assert "channel | linear | first | last" in text
    assert "No conversion of these days is claimed by two vendors." in text


def test_models_of_an_earlier_version_have_to_be_built_again(duckdb: DuckDB) -> None:
    shop = Shop(duckdb)
    shop.load("tap_ecdp", "attributed_orders", order("1", "2026-03-02T10:00:00Z", 5.0))
    shop.build(*MODELS)
    shop.execute("ALTER TABLE {} DROP COLUMN source", "fct_credits")
    text = section(shop.warehouse)
    assert "The SQL models cannot be read: " in text
    hint = "To build them, run: scripts/attribution-elt models"
    assert f"An earlier version may have built them. | {hint}" in text


def test_changes_of_the_last_week_are_shown(duckdb: DuckDB) -> None:
    shop = Shop(duckdb)
    shop.load("tap_ecdp", "attributed_orders", order("1", "2026-03-02T10:00:00Z", 5.0))
    shop.build(*MODELS)
    assert "No conversion of these days has touches" in section(shop.warehouse)
    for as_of, delta in (("2026-03-13", 900), ("2026-03-14", -20), ("2026-03-20", 5)):
        values = f"('{as_of}', '2026-03-02', 'Email', 'ecdp', 'EUR', 0, 0, {delta})"
        shop.execute(f"INSERT INTO {{}} VALUES {values}", "fct_restatements")
    text = section(shop.warehouse)
    assert f"channel | model | currency | change | Email | ecdp | EUR | {LESS}15" in text
    assert "setting history" not in text


def test_comparisons_and_rows_that_are_not_shown_are_counted() -> None:
    one = {"last": {"Email": Decimal(1)}}
    comparisons = [Comparison(f"model {number}", "EUR", 1, one) for number in range(6)]
    claims = Claims("EUR", by_channels={(f"{number}",): (1, Decimal(1)) for number in range(13)})
    changes = [
        CreditChange(NOW.date(), "ecdp", f"{number}", "EUR", Decimal(1)) for number in range(1013)
    ]
    found = ReadWarehouse("w", "w", answers=Answers(comparisons, [claims], changes, True))
    cards = {
        each.title: each.lines for each in credits_of(found, Window.ending(NOW.date(), 28)).cards
    }
    [line] = cards["Further comparisons"]
    assert line.startswith("Not shown: 2 comparisons of fewer conversions.")
    assert cards["Double claims"][-1] == "The most frequent 12 of 13."
    assert cards["Changed since 2026-03-13"][-1] == "The greatest 12 of 1,013."


def test_a_model_s_credits_are_added_up_once() -> None:
    """A sum for each channel would take minutes with thousands of channels."""

    class Credits(dict[str, Decimal]):
        sums = 0

        def values(self) -> Any:
            self.sums += 1
            return super().values()

    names = [f"channel {number}" for number in range(100)]
    one, other = (Credits(dict.fromkeys(part, Decimal(2))) for part in (names, names[:50]))
    comparison = Comparison("ihc", None, 1, {"ihc": one, "last": other})
    assert comparison.furthest() == ("ihc", "last")
    assert comparison.distance("ihc", "last") == Decimal("0.5")
    assert (one.sums, other.sums) == (1, 1)
