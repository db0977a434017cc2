"""Double claims that the simulated vendors make, after their taps have loaded them."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from tap_attribution_io.tap import TapAttributionIo
from tap_ecdp.tap import TapEcdp

from attribution_elt.sandbox import Sandbox, environment
from tests.tap_process import run_here
from tests.transform.shop import Shop


@pytest.mark.parametrize(("seed", "withdrawn"), [(1, 0.0), (2, 0.02)])
def test_double_claims_of_the_sandbox_are_found(small: Shop, seed: int, withdrawn: float) -> None:
    with Sandbox(seed, date(2026, 3, 1)) as sandbox:
        sandbox.ecdp.shared_share = 0.7
        sandbox.ecdp.history_days, sandbox.ecdp.orders_per_day = 400, 2
        sandbox.attribution_io.customer_count = 120
        sandbox.withdraw_daily(withdrawn)
        settings = environment.settings(sandbox)
        taps: dict[str, Any] = {"tap-attribution-io": TapAttributionIo, "tap-ecdp": TapEcdp}
        for name, tap in taps.items():
            output = run_here(tap, settings[name])
            lines = output.stdout.decode().splitlines()
            small.warehouse.load(*lines, default_target_schema=name.replace("-", "_"))
        orders = {order["orderId"] for order in sandbox.ecdp.truth()}
        made = {
            f"attribution_io:{event['id']}"
            for customer in sandbox.attribution_io.truth()
            for event in customer["events"]
            if event.get("transaction_id") in orders
            and event["amount"]
            and event["attribution_model_outputs"]
        }
    small.build()
    assert small.failed == {}
    found = {key for (key,) in small.rows("fct_double_claims", ("conversion_key",))}
    shared = small.rows("stg_ecdp__orders", ("order_key",), "order_id LIKE 'T/%'")
    assert len(made) > 30
    assert len(shared) > len(made)  # Attribution.io credits no touch with informational events
    assert len(found & made) >= 0.99 * len(found)
    assert len(found & made) >= 0.99 * len(made)
