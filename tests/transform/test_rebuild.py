"""Models that are built over those of an earlier build."""

from __future__ import annotations

import pytest

from tests.targets.target_warehouse.warehouses import PostgreSQL, Warehouse
from tests.transform.shop import Shop, purchase, session, touch

DAY = "2026-03-02T10:00:00Z"
JOURNEY = ("conversion_id", "session_id")


@pytest.fixture
def shop(postgresql: PostgreSQL) -> Shop:
    """A shop with a journey on PostgreSQL, which refuses to drop what a view reads."""
    made = Shop(postgresql)
    made.load("tap_attribution_io", "pageviews", touch(1, "a", "2026-03-01T10:00:00Z"))
    made.load("tap_attribution_io", "events", purchase(1, "a", DAY, 5.0))
    made.load("tap_attribution_io", "touchpoints", touch(1, "a", "2026-03-01T10:00:00Z"))
    return made.build()


def test_views_over_views_are_built_again(shop: Shop) -> None:
    before = shop.rows("ihc_journeys", JOURNEY)
    assert before
    shop.build()
    pageviews = "stg_attribution_io__pageviews"
    shop.execute("ALTER VIEW {} RENAME COLUMN client_id TO client", pageviews)
    shop.build(pageviews)
    assert shop.rows("ihc_journeys", JOURNEY) == before
    assert shop.rows(pageviews, ("client_id",)) == [("a",)]


@pytest.mark.parametrize("wanted", [(), ("int_journeys",)])
def test_tables_under_views_are_built_again(shop: Shop, wanted: tuple[str, ...]) -> None:
    """A newer version may add a column to a table that the view of journeys reads."""
    before = shop.rows("ihc_journeys", JOURNEY)
    shop.execute("ALTER TABLE {} DROP COLUMN seconds_before", "int_journeys")
    shop.build(*wanted)
    assert shop.rows("ihc_journeys", JOURNEY) == before
    assert shop.rows("int_journeys", ("seconds_before",)) == [(86400.0,)]


def test_columns_in_another_order_keep_their_values(warehouse: Warehouse) -> None:
    shop = Shop(warehouse)
    shop.load("tap_ihc", "attributions", session("x", "1", "Email", 1.0))
    groups = ["Email", "Direct"]
    for channels in (groups, groups[::-1]):
        shop.build("+mmm_weekly", mmm_channels=channels)
        credit = shop.rows("mmm_weekly", ("email_credit_ihc", "direct_credit_ihc"))
        assert credit == [(1.0, 0.0)]


def test_a_view_whose_columns_change_places_is_built_again(shop: Shop) -> None:
    pageviews = "stg_attribution_io__pageviews"
    for old, new in (("client_id", "spare"), ("path", "client_id"), ("spare", "path")):
        shop.execute(f"ALTER VIEW {{}} RENAME COLUMN {old} TO {new}", pageviews)
    shop.build()
    assert shop.rows(pageviews, ("client_id", "path")) == [("a", "/")]
