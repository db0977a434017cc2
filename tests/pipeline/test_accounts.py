"""Several accounts of one vendor: one plugin each, with its own state and schema."""

from __future__ import annotations

from pathlib import Path

import duckdb

from attribution_elt.sandbox import Sandbox
from tests.pipeline.meltano import environment, meltano, project, settings

SECOND = {
    "name": "tap-ecdp-shop-two",
    "inherit_from": "tap-ecdp",
    "namespace": "tap_ecdp_shop_two",
    "config": {"reporting_currency": "SEK"},
}


def test_two_accounts_of_a_vendor_load_side_by_side(sandbox: Sandbox, tmp_path: Path) -> None:
    folder = project(tmp_path / "project", extractors=(SECOND,))
    with Sandbox(seed=8, today=sandbox.clock.today) as other:
        other.ecdp.api_key = "key-of-shop-two"
        every = {
            "tap-ecdp": settings(sandbox)["tap-ecdp"],
            "tap-ecdp-shop-two": {"api_url": other.ecdp.url, "api_key": other.ecdp.api_key},
        }
        env = environment(every)
        blocks = [block for tap in every for block in (tap, "target-warehouse")]
        meltano(folder, "run", *blocks, env=env)
        states = meltano(folder, "state", "list", env=env).stdout.split()
        orders = {
            schema: {(order["websiteId"], order["orderId"]) for order in account.ecdp.truth()}
            for schema, account in (("tap_ecdp", sandbox), ("tap_ecdp_shop_two", other))
        }
        first_day = other.ecdp.first_day
    assert sorted(states) == sorted(f"dev:{tap}-to-target-warehouse" for tap in every)
    with duckdb.connect(str(folder / "warehouse.duckdb")) as warehouse:
        for schema, wanted in orders.items():
            query = (
                f"SELECT website_id, order_id, reporting_currency FROM {schema}.attributed_orders"
            )
            rows = warehouse.execute(f"{query} WHERE order_date_time >= '{first_day}'").fetchall()
            assert {row[:2] for row in rows} == wanted
            assert {row[2] for row in rows} == {"SEK" if schema.endswith("two") else None}
    assert orders["tap_ecdp"] != orders["tap_ecdp_shop_two"]
