"""The pages of the models: every query returns rows for a shop that uses every vendor."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from target_warehouse.warehouses.registry import connect

from tests.docs import pages
from tests.targets.target_warehouse.warehouses import Warehouse
from tests.transform.shop import PROJECT, Shop, copied, order, output, touch
from tests.transform.test_mathematics import world

PAGES = sorted((PROJECT / "docs" / "models").glob("*.md"))


@pytest.fixture(params=["duckdb", "postgresql"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Shop:
    warehouse: Warehouse = request.getfixturevalue(request.param)
    folder = copied(tmp_path / "models")
    (folder / "seeds" / "spend.csv").write_text(
        "spent_on,channel,currency,amount,impressions\n2026-02-01,Paid Search,EUR,900,5000\n"
    )
    made = Shop(warehouse, folder)
    touches, events = world(seed=3, persons=80)
    strange = touch(9999, "p1", "2026-01-02T00:00:00Z", "smoke/signal")
    made.load("tap_attribution_io", "touchpoints", strange, *touches)
    sold = [{**event, "transaction_id": f"T{event['id']}"} for event in events]
    made.load("tap_attribution_io", "events", *sold)
    outputs = [output(event["id"], event["id"], touches[0]["id"], 100.0) for event in events]
    made.load("tap_attribution_io", "event_attributions", *outputs)
    orders = [
        order(
            event["transaction_id"], event["created_at"], event["amount"], customer_id=event["id"]
        )
        for event in sold[::2]
    ]
    made.load("tap_ecdp", "attributed_orders", *orders)
    program = {"market": "SE", "channel_id": 5, "program_id": 9, "status": 3}
    made.load("tap_adtraction", "programs", {**program, "program_name": "partner"})
    rate = {"channel_id": 5, "program_id": 9, "transaction_type": 3, "type": "%", "value": 5.0}
    made.load("tap_adtraction", "commissions", {**rate, "commission_id": "1"})
    made.execute(
        "CREATE VIEW {0} AS SELECT *, order_date_time AS _sdc_valid_from, "
        "order_date_time + INTERVAL '5 days' AS _sdc_valid_to FROM {1} UNION ALL "
        "SELECT *, order_date_time, NULL FROM {1} WHERE website_id = 0",
        "attributed_orders__versions",
        "attributed_orders",
        schema="tap_ecdp",
    )
    return made.build(attribution_io_currency="EUR")


def test_every_query_returns_rows(shop: Shop) -> None:
    assert shop.failed == {}
    queries = [
        (block, block.text)
        for page in PAGES
        for block in pages.blocks(page)
        if block.language == "sql"
    ]
    assert {page.stem for page in PAGES} - {block.page.stem for block, _ in queries} == {"truth"}
    with closing(connect(shop.warehouse.url, "attribution")) as adapter:
        empty = [str(block) for block, text in queries if not adapter.execute(text)]
    assert empty == []


def test_every_mart_has_a_page() -> None:
    marts = {path.stem for path in (PROJECT / "transform" / "models" / "marts").glob("*.sql")}
    assert {page.stem for page in PAGES} == marts | {"README", "truth"}
