"""dbt builds the same rows from the unchanged folder of models."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from target_warehouse.warehouses.registry import connect

from tests.targets.target_warehouse.warehouses import DuckDB, PostgreSQL, Warehouse
from tests.transform.shop import Shop, copied, order, output
from tests.transform.test_mathematics import world

CHOSEN = {
    "attribution_io_currency": "eur",
    "reporting_currency": "usd",
    "reporting_timezone": "Asia/Kolkata",
    "lookback_days": 9,
    "shared_id_limit": 2,
}
"""Variables with other values than their defaults."""
ADAPTERS = {"duckdb": "dbt-duckdb", "postgres": "dbt-postgres"}


@pytest.fixture(scope="module")
def dbt(uv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return dbt's executable in a separate environment."""
    folder = tmp_path_factory.mktemp("dbt") / "venv"
    subprocess.run([uv, "venv", "--quiet", folder], check=True)
    python = folder / "bin" / "python"
    packages = ("dbt-core<1.12", *ADAPTERS.values())
    command = [str(uv), "pip", "install", "--quiet", "--python", str(python), *packages]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"dbt cannot be installed: {done.stderr}")
    return folder / "bin" / "dbt"


@pytest.mark.parametrize("kind", ["duckdb", pytest.param("postgres", marks=pytest.mark.long)])
def test_dbt_builds_the_same_rows(
    kind: str, dbt: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    warehouse: Warehouse
    if kind == "duckdb":
        warehouse = DuckDB(f"duckdb:///{tmp_path}/warehouse.duckdb", tmp_path)
        variables = {"DBT_DUCKDB_PATH": f"{tmp_path}/warehouse.duckdb"}
    else:
        url = request.getfixturevalue("postgres_url")
        warehouse = PostgreSQL(url, tmp_path)
        parts = urlsplit(url)
        variables = {
            "PGHOST": parse_qs(parts.query)["host"][0],
            "PGUSER": parts.username or "",
            "PGDATABASE": parts.path.removeprefix("/"),
        }
    folder = copied(tmp_path / "transform")
    (folder / "seeds" / "fx_rates.csv").write_text(
        "currency,to_currency,valid_from,rate\nEUR,USD,2026-01-01,1.5\n"
    )
    (folder / "seeds" / "spend.csv").write_text(
        "spent_on,channel,currency,amount,impressions\n2026-03-02,Email,eur,2,\n"
    )
    shop = Shop(warehouse, folder)
    touches, events = world(seed=5, persons=60)
    shop.load("tap_attribution_io", "touchpoints", *touches)
    shop.load("tap_attribution_io", "events", {**events[0], "transaction_id": "A1"}, *events[1:])
    shop.load("tap_attribution_io", "event_attributions", output(1, 1, 1, 100.0))
    orders = (order("A1", "2026-03-02T10:00:00Z", 10.0), order("A2", "2026-03-02T10:00:00Z", 1.0))
    shop.load("tap_ecdp", "attributed_orders", *orders)
    shop.build(**CHOSEN)
    assert shop.failed == {}

    place = ("--project-dir", folder, "--profiles-dir", folder / "profiles" / kind)
    done = subprocess.run(
        [dbt, "build", *place, "--vars", json.dumps(CHOSEN)],
        env={**os.environ, **variables, "DBT_SCHEMA": "by_dbt", "DO_NOT_TRACK": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert "ERROR=0" in done.stdout
    assert "Deprecat" not in done.stdout

    ours, theirs = rows_of(warehouse, "attribution"), rows_of(warehouse, "by_dbt")
    left_out = {name for name in theirs if name not in ours}
    assert left_out == set(shop.left_out)
    assert {name: theirs[name] for name in left_out if theirs[name]} == {}
    for name, rows in ours.items():
        assert rows == theirs[name], name


def rows_of(warehouse: Warehouse, schema: str) -> dict[str, list[str]]:
    """Return every relation's rows in any order, numbers rounded to nine digits."""
    with closing(connect(warehouse.url, schema)) as adapter:
        return {
            name: sorted(
                repr([rounded(value) for value in row])
                for row in adapter.execute(f"SELECT * FROM {adapter.path(name)}")
            )
            for name in adapter.tables()
        }


def rounded(value: Any) -> Any:
    return round(float(f"{value:.9g}"), 12) + 0.0 if isinstance(value, float) else value
