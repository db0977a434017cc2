"""Models of a user that are not valid."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from attribution_elt.core.errors import OpsError
from tests.targets.target_warehouse.warehouses import DuckDB
from tests.transform.shop import Shop, copied, order


def broken() -> Iterator[tuple[str, str]]:
    yield "SELECT * FROM {{ ref('nothing') }}", "refers to nothing, which does not exist"
    yield "SELECT * FROM {{ ref('own') }}", "models refer to each other: own > own"
    yield "SELECT {{ var('nothing') }}", "the variable nothing does not exist"
    yield "SELECT {% if %}", "own cannot be read as a template: "
    yield "SELECT {{ nothing }}", "own cannot be rendered: 'nothing' is undefined"
    yield "SELECT 1 FROM {{ loaded('tap_ecdp', 'nothing') }} AS x", "tap_ecdp has no stream nothing"
    yield (
        "SELECT nothing FROM {{ loaded('tap_ecdp', 'attributed_orders') }} AS orders",
        "own: Binder Error: .*nothing",
    )


@pytest.mark.parametrize(("text", "message"), list(broken()))
def test_a_model_that_is_not_valid_is_named(
    duckdb: DuckDB, tmp_path: Path, text: str, message: str
) -> None:
    shop = Shop(duckdb)
    shop.folder = copied(tmp_path / "models")
    (shop.folder / "models" / "marts" / "own.sql").write_text(text)
    shop.load("tap_ecdp", "attributed_orders", order("1", "2026-03-02T10:00:00Z", 5.0))
    with pytest.raises(OpsError, match=message) as raised:
        shop.build("own")
    assert "\n" not in str(raised.value)
