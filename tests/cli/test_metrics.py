"""`attribution-elt metrics` in a project."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from attribution_elt.cli.metrics import metrics
from attribution_elt.meltano.project import SCHEMA, Extractor, Loader
from attribution_elt.sandbox import Sandbox
from tests.operating import attribution_elt, variables
from tests.pipeline.meltano import project
from tests.reporting.test_metrics import values
from tests.targets.target_warehouse.warehouses import DuckDB, record, schema


def test_accounts_and_loads_are_in_the_file(tmp_path: Path) -> None:
    with Sandbox(seed=7, today=datetime.now(UTC).date()) as sandbox:
        folder = project(tmp_path / "project")
        own = variables(sandbox, ["tap-adtraction", "tap-ecdp", "tap-ignite"])
        assert attribution_elt(folder, own, "run", "ecdp").returncode == 0
        sandbox.ecdp.requests.clear()

        done = attribution_elt(folder, own, "metrics", "--output=elt.prom", "--quota")

        assert done.returncode == 0, done.stderr
        assert done.stdout == ""
        assert len(sandbox.ecdp.requests) == 1
    found = values((folder / "elt.prom").read_text())
    stream = 'schema="tap_ecdp",stream="attributed_orders"'
    labels = f'environment="dev",loader="target-warehouse",{stream}'
    assert found[f'attribution_elt_rows_total{{{labels},kind="inserted"}}'] > 100
    age = (
        datetime.now(UTC).timestamp()
        - found[f"attribution_elt_last_success_timestamp_seconds{{{labels}}}"]
    )
    assert 0 < age < 600
    assert found[f"attribution_elt_failed_units{{{labels}}}"] == 0
    assert found['attribution_elt_warehouse_up{environment="dev",loader="target-warehouse"}'] == 1
    ignite = [name for name in found if name.startswith("attribution_elt_retention_days_left")]
    assert len(ignite) == 2  # its websites
    assert all('tap="tap-ignite"' in name for name in ignite)
    assert any(name.startswith("attribution_elt_quota_requests_left") for name in found)
    assert [each.name for each in folder.glob(".elt.prom*")] == []


@pytest.mark.parametrize("output", ["elt.prom", "nowhere/elt.prom"])
def test_a_warehouse_that_is_down_is_in_the_file_and_in_the_exit_code(
    output: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    folder = project(tmp_path / "project")
    url = "postgresql://me:geheimnis@127.0.0.1:9/db"
    own = variables(sandbox, ["tap-ecdp"], TARGET_WAREHOUSE_URL=url)
    done = attribution_elt(folder, own, "metrics", f"--output={output}")
    assert done.returncode == 1
    assert "geheimnis" not in done.stderr
    if output == "elt.prom":
        assert "target-warehouse: postgresql db on 127.0.0.1:9 cannot be read" in done.stderr
        assert "attribution_elt_warehouse_up{" in (folder / output).read_text()
        done = attribution_elt(folder, own, "metrics", "--output=-")
        assert "attribution_elt_warehouse_up{" in done.stdout
        assert not (folder / "-").exists()
    else:
        assert (
            done.stderr == "Error: nowhere/elt.prom cannot be written: No such file or directory\n"
        )


@dataclass
class FakeProject:
    """A project whose extractors have no account."""

    loaders: dict[str, Loader]
    load_schemas: dict[str, str]
    environment: str = "dev"
    accounts: tuple[Extractor, ...] = ()
    extractors: dict[str, Extractor] = field(default_factory=dict)


def test_taps_by_others_and_without_accounts_are_counted(duckdb: DuckDB) -> None:
    for name in ("tap_crm", "tap_ecdp"):
        rows = schema("people", id="integer"), record("people", id=1)
        duckdb.load(*rows, add_record_metadata=True, default_target_schema=name)
    loader = Loader("target-warehouse", duckdb.url, SCHEMA)
    fake = FakeProject(
        {loader.name: loader}, {name: name for name in ("tap_crm", "tap_ecdp", "no")}
    )
    found = values(CliRunner().invoke(metrics, obj=fake).output)
    inserted = [name for name in found if 'kind="inserted"' in name]
    assert ["tap_crm" in name or "tap_ecdp" in name for name in inserted] == [True, True]
