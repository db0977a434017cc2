"""The loaders that load the data of every vendor."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from attribution_elt.sandbox import Sandbox
from tests.pipeline.landings import (
    JSONL,
    DuckDb,
    JsonLines,
    Landing,
    Postgres,
    PostgresByMeltanoLabs,
    Warehouse,
)
from tests.pipeline.meltano import environment, meltano, project

DAYS = 4
OTHERS = ("target-postgres", "target-jsonl")


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Serve the vendors with a day in the past, because the taps read up to the real day."""
    with Sandbox(seed=7, today=datetime.now(UTC).date() - timedelta(days=DAYS)) as fresh:
        yield fresh


@pytest.fixture(scope="session")
def installed_loaders(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return the folder with the loaders of other projects that Meltano has installed."""
    request.getfixturevalue("uv")  # Meltano installs them with pip
    folder = project(tmp_path_factory.mktemp("loaders") / "project", loaders=(JSONL,))
    meltano(folder, "install", *OTHERS, env=environment({}))
    return folder / ".meltano" / "loaders"


def of_kind(kind: str, request: pytest.FixtureRequest, folder: Path) -> Landing:
    """Return a landing, with its loader installed."""
    match kind:
        case "duckdb":
            return DuckDb(folder)
        case "postgresql":
            return Postgres(request.getfixturevalue("postgres_url"))
    installed: Path = request.getfixturevalue("installed_loaders")
    (folder / ".meltano").mkdir(parents=True)
    (folder / ".meltano" / "loaders").symlink_to(installed)
    if kind == "jsonl":
        return JsonLines(folder)
    return PostgresByMeltanoLabs(request.getfixturevalue("postgres_url"))


def long(kind: str) -> Any:
    """Mark a kind as one of the long tests."""
    return pytest.param(kind, marks=pytest.mark.long)


@pytest.fixture(params=["duckdb", long("postgresql"), long("meltanolabs"), long("jsonl")])
def landing(request: pytest.FixtureRequest, tmp_path: Path) -> Landing:
    """Return each loader in turn; the project is in `tmp_path / "project"`."""
    return of_kind(request.param, request, tmp_path / "project")


@pytest.fixture(params=[long("duckdb"), long("postgresql")])
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Warehouse:
    """Return each warehouse of target-warehouse in turn."""
    found = of_kind(request.param, request, tmp_path / "project")
    assert isinstance(found, Warehouse)
    return found
