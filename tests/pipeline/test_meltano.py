from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import duckdb
import psycopg
import pytest
from psycopg.types.json import set_json_loads
from typing_extensions import override

from sandbox import Sandbox
from tests.pipeline.meltano import PROJECT, Expected, every_tap, project, run

DAYS = 4


class Warehouse(ABC):
    """Where an environment of meltano.yml loads into."""

    environment: str
    variables: dict[str, str]

    @abstractmethod
    def select(self, table: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """A table's columns and rows."""

    @abstractmethod
    def run_script(self, schema: str, script: str) -> None:
        """Run statements in a schema."""


class DuckDb(Warehouse):
    environment = "dev"

    def __init__(self, folder: Path) -> None:
        self.variables = {}
        self._file = folder / "warehouse.duckdb"

    @override
    def select(self, table: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        with duckdb.connect(str(self._file), read_only=True) as connection:
            found = connection.execute(f"SELECT * FROM {table}")
            return [column[0] for column in found.description or ()], found.fetchall()

    @override
    def run_script(self, schema: str, script: str) -> None:
        with duckdb.connect(str(self._file)) as connection:
            connection.execute(f"USE {schema}; {script}")


class Postgres(Warehouse):
    environment = "prod"

    def __init__(self, url: str) -> None:
        self._url = url
        parts = urlsplit(url)
        self.variables = {
            "PGHOST": parse_qs(parts.query)["host"][0],
            "PGUSER": parts.username or "",
            "PGDATABASE": parts.path.removeprefix("/"),
        }

    @override
    def select(self, table: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        with psycopg.connect(self._url) as connection:
            set_json_loads(partial(json.loads, parse_float=Decimal), connection)
            found = connection.execute(f"SELECT * FROM {table}".encode())
            return [column.name for column in found.description or ()], found.fetchall()

    @override
    def run_script(self, schema: str, script: str) -> None:
        with psycopg.connect(self._url) as connection:
            connection.execute(f"SET search_path TO {schema}; {script}".encode())


@pytest.fixture(params=["duckdb", "postgresql"])
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Warehouse:
    if request.param == "duckdb":
        return DuckDb(tmp_path / "project")
    return Postgres(request.getfixturevalue("postgres_url"))


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """The vendors, days ago: the taps ask for what there is up to the real day."""
    with Sandbox(seed=7, today=datetime.now(UTC).date() - timedelta(days=DAYS)) as fresh:
        yield fresh


def test_what_lands_is_what_the_taps_emit_on_the_first_run_and_days_later(
    warehouse: Warehouse, sandbox: Sandbox, tmp_path: Path
) -> None:
    folder = project(tmp_path / "project")
    expected = Expected(tmp_path)
    for days in (0, DAYS):
        sandbox.advance(days)
        expected.take_in(sandbox)
        run(folder, sandbox, warehouse.environment, warehouse.variables, every_tap())
        for (tap, name), stream in expected.streams.items():
            table = f"{tap.replace('-', '_')}.{name}"
            landed = stream.read(*warehouse.select(table))
            assert len(landed) == len(stream.rows) > 0, table
            by_key = {tuple(row[key] for key in stream.keys): row for row in landed}
            assert by_key == stream.rows, table


def test_journeys_go_from_the_warehouse_to_the_model_and_their_credits_come_back(
    warehouse: Warehouse, sandbox: Sandbox, tmp_path: Path
) -> None:
    folder = project(tmp_path / "project")

    def run_jobs(*blocks: str) -> None:
        run(folder, sandbox, warehouse.environment, warehouse.variables, blocks)

    run_jobs("attribution-io")
    view = (PROJECT / "transform" / "ihc_journeys.sql").read_text()
    warehouse.run_script("tap_attribution_io", view)
    run_jobs("ihc-credits")
    names, sessions = warehouse.select("tap_attribution_io.ihc_journeys")
    at = names.index("conversion_id"), names.index("session_id")
    sent = {(row[at[0]], row[at[1]]) for row in sessions}
    names, rows = warehouse.select("tap_ihc.attributions")
    credits_ = [dict(zip(names, row, strict=True)) for row in rows]
    assert {(row["conversion_id"], row["session_id"]) for row in credits_} == sent
    by_journey: dict[str, list[Decimal]] = {}
    for row in credits_:
        by_journey.setdefault(row["conversion_id"], []).append(row["ihc"])
    assert len(by_journey) > 50
    for shares in by_journey.values():
        assert abs(sum(shares, Decimal()) - 1) <= len(shares) * Decimal("0.00005")
    asked = len(sandbox.ihc.requests)
    run_jobs("tap-ihc", "target-warehouse")
    assert len(sandbox.ihc.requests) == asked
