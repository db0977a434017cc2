"""`meltano run tap-query target-adtraction`: from a query of the warehouse to the vendor."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

from attribution_elt.sandbox import Sandbox
from tests.pipeline.meltano import PROJECT, environment, meltano, project

TABLE = "CREATE TABLE reviewed_channels AS SELECT {} AS channel_id, 1 AS approval_status"
STREAM = {
    "name": "channel_status",
    "query": "SELECT * FROM reviewed_channels",
    "key_properties": ["channel_id"],
}
OUTCOMES = 'SELECT "key", "outcome" FROM writes._writes ORDER BY "at"'


@pytest.mark.parametrize(
    "warehouse", [pytest.param("duckdb", marks=pytest.mark.long), "postgresql"]
)
def test_a_query_of_the_warehouse_changes_statuses_at_the_vendor(
    warehouse: str, request: pytest.FixtureRequest, sandbox: Sandbox, tmp_path: Path
) -> None:
    (channel, *_) = (
        row["channelId"]
        for row in sandbox.adtraction.truth()["channels"]
        if row["approvalStatus"] == 2
    )
    folder = project(tmp_path / "project")
    shutil.copy(PROJECT / "logging.yaml", folder)  # it decides which lines Meltano shows
    url = (
        f"duckdb:///{folder}/warehouse.duckdb"
        if warehouse == "duckdb"
        else request.getfixturevalue("postgres_url")
    )

    def execute(*statements: str) -> list[Any]:
        connected = (
            duckdb.connect(url.removeprefix("duckdb:///"))
            if warehouse == "duckdb"
            else psycopg.connect(url, autocommit=True)
        )
        with connected as connection:
            return [connection.execute(each) for each in statements][-1].fetchall()

    execute(TABLE.format(channel), "SELECT 1")
    settings = {
        "tap-query": {"url": url, "streams": [STREAM]},
        "target-adtraction": {
            "api_url": sandbox.adtraction.url,
            "client_token": sandbox.adtraction.client_token,
            "outcomes_url": url,
        },
    }
    run = ("run", "tap-query", "target-adtraction")

    dry = meltano(folder, *run, env=environment(settings))

    assert f"channel {channel}: pending → approved" in dry.stderr
    assert "dry run: 1 dry_run" in dry.stderr
    assert [each.method for each in sandbox.adtraction.requests] == ["POST"]
    assert execute(OUTCOMES) == [(str(channel), "dry_run")]

    meltano(folder, *run, env=environment(settings, TARGET_ADTRACTION_DRY_RUN="false"))

    statuses = {r["channelId"]: r["approvalStatus"] for r in sandbox.adtraction.truth()["channels"]}
    assert statuses[channel] == 1
    assert execute(OUTCOMES)[1:] == [
        (str(channel), outcome) for outcome in ("sent", "applied", "confirmed")
    ]
