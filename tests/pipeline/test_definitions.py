"""Another Meltano project adds our plugins by their definitions, without a Hub."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest
import yaml

from attribution_elt.sandbox import Sandbox
from tests.pipeline.meltano import PROJECT, environment, meltano, settings

EMPTY = {
    "requires_meltano": ">=4.4",
    "default_environment": "dev",
    "project_id": "of another team",
    "send_anonymous_usage_stats": False,
    "environments": [{"name": "dev"}],
}
NO_HUB = "http://127.0.0.1:9"  # an unused port

VARIANT = "--attribution-elt"
DEFINITIONS = sorted((PROJECT / "plugins").glob(f"*/*{VARIANT}.lock"))


@pytest.fixture
def another(tmp_path: Path) -> Path:
    """A project of another team."""
    folder = tmp_path / "another"
    folder.mkdir()
    (folder / "meltano.yml").write_text(yaml.safe_dump(EMPTY))
    return folder


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda path: path.stem)
def test_each_plugin_can_be_added_by_its_definition(definition: Path, another: Path) -> None:
    env = environment({}, MELTANO_HUB_URL=NO_HUB)
    name = definition.stem.removesuffix(VARIANT)
    meltano(another, "add", name, "--from-ref", str(definition), "--no-install", env=env)
    listed = meltano(another, "config", "list", name, "--all", env=env).stdout
    for setting in json.loads(definition.read_text())["settings"]:
        assert f"{setting['name']} [env: " in listed
        assert setting["description"][:60] in listed


def test_an_added_plugin_runs(another: Path, wheel: Path, sandbox: Sandbox) -> None:
    ecdp = {"tap-ecdp": settings(sandbox)["tap-ecdp"]}
    env = environment(ecdp, MELTANO_HUB_URL=NO_HUB, ATTRIBUTION_ELT_PACKAGE=str(wheel))
    for path in DEFINITIONS:
        name = path.stem.removesuffix(VARIANT)
        if name in {"tap-ecdp", "target-warehouse"}:
            meltano(another, "add", name, "--from-ref", str(path), env=env)
    meltano(another, "run", "tap-ecdp", "target-warehouse", env=env)
    with duckdb.connect(str(another / "warehouse.duckdb")) as warehouse:
        query = "SELECT website_id, order_id FROM tap_ecdp.attributed_orders WHERE website_id <> 21"
        landed = set(warehouse.execute(query).fetchall())
    assert landed == {
        (order["websiteId"], order["orderId"])
        for order in sandbox.ecdp.truth()
        if order["websiteId"] != 21
    }
