"""The loaders that every vendor's data goes into."""

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
    """The vendors, days ago: the taps ask for what there is up to the real day."""
    with Sandbox(seed=7, today=datetime.now(UTC).date() - timedelta(days=DAYS)) as fresh:
        yield fresh


@pytest.fixture(scope="session")
def installed_loaders(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Where Meltano has put the loaders that are not ours."""
    request.getfixturevalue("uv")  # which is what Meltano installs them with
    folder = project(tmp_path_factory.mktemp("loaders") / "project", loaders=(JSONL,))
    meltano(folder, "install", *OTHERS, env=environment({}))
    return folder / ".meltano" / "loaders"


def of_kind(kind: str, request: pytest.FixtureRequest, folder: Path) -> Landing:
    """A landing, with the loader for it installed."""
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
    """Leave a kind to the long tests."""
    return pytest.param(kind, marks=pytest.mark.long)


@pytest.fixture(params=["duckdb", long("postgresql"), long("meltanolabs"), long("jsonl")])
def landing(request: pytest.FixtureRequest, tmp_path: Path) -> Landing:
    """Each loader in turn; the project is to be in `tmp_path / "project"`."""
    return of_kind(request.param, request, tmp_path / "project")


@pytest.fixture(params=[long("duckdb"), "postgresql"])
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Warehouse:
    """Likewise, each warehouse of target-warehouse."""
    found = of_kind(request.param, request, tmp_path / "project")
    assert isinstance(found, Warehouse)
    return found
