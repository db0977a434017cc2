"""Stream maps, selection and the masking of personal data, set in Meltano, with every loader."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from attribution_elt.sandbox import Sandbox
from tests.pipeline.expected import Expected, Stream
from tests.pipeline.landings import JSONL, Landing
from tests.pipeline.meltano import environment, meltano, project, settings
from tests.tap_process import Row

NULL = "__NULL__"  # Meltano does not pass null on
MAPS = {
    "attributed_orders": {
        "__filter__": "bool(website_id != 22)",
        "credited_channel": "channel",  # renamed, together with the next property
        "channel": NULL,
        "message_type": "sha256(message_type) if message_type else None",
        "order_attributes": NULL,  # dropped
    }
}
SELECTED = ["attributed_orders.*", "!attributed_orders.products_count"]


def mapped(row: Row) -> Row:
    """Return a row as the maps change it."""
    kept = {name: row[name] for name in row if name not in MAPS["attributed_orders"]}
    type_ = row["message_type"] and hashlib.sha256(row["message_type"].encode()).hexdigest()
    return {**kept, "credited_channel": row["channel"], "message_type": type_}


@pytest.mark.parametrize("side", ["tap", "loader"])
def test_mapped_selected_and_masked_records_are_loaded(
    side: str, landing: Landing, sandbox: Sandbox, tmp_path: Path
) -> None:
    if (side, landing.loader) == ("loader", "target-jsonl"):
        pytest.skip("target-jsonl has no stream maps: it is not made with the SDK")
    masked = {"pii": "hash", "pii_key": "the key of this test"}
    every = {"tap-ecdp": {**settings(sandbox)["tap-ecdp"], **masked}}
    mapping = "tap-ecdp" if side == "tap" else landing.loader
    folder = project(
        tmp_path / "project", config={mapping: {"stream_maps": MAPS}}, loaders=(JSONL,)
    )
    env = environment(every, **landing.variables, TAP_ECDP__SELECT=json.dumps(SELECTED))
    blocks = ("tap-ecdp", landing.loader)
    meltano(folder, f"--environment={landing.environment}", "run", *blocks, env=env)

    expected = Expected(tmp_path)
    expected.take_in(every)
    plain = expected.streams["tap-ecdp", "attributed_orders"]
    properties = dict(plain.properties)
    properties["credited_channel"] = properties["channel"]
    landed = landing.rows("tap-ecdp", "attributed_orders", Stream(properties, plain.keys))
    wanted = {
        key: mapped({name: row[name] for name in row if name != "products_count"})
        for key, row in plain.rows.items()
        if row["website_id"] != 22
    }
    assert plain.by_key(landed) == wanted
    assert len(wanted) < len(plain.rows)
    asked = sandbox.ecdp.requests[0].query
    assert asked.get("includeDetails") != ["true"], "lines were not selected"
    people = {order["customer"]["email"] for order in sandbox.ecdp.truth()} - {""}
    assert not people & {str(value) for row in landed for value in row.values()}
