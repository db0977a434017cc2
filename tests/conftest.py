"""Fixtures that several tests share."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from attribution_elt.core.redaction import redactor
from tests import postgres
from tests.signals import signals_kept
from tests.targets.target_warehouse.warehouses import DuckDB, PostgreSQL, SQLite, Warehouse
from tests.webhook import Receiver, listening

pytest_plugins = ["attribution_elt.sandbox.pytest_plugin"]

TESTS = Path(__file__).parent
LONG = {
    *(
        "checks/test_accounts.py",
        "meltano/test_webhook.py",
        "cli/test_backfill.py",
        "cli/test_run.py",
    ),
    "cli/test_first_hour.py",
    "test_image.py",
    "cli/test_metrics.py",
    "cli/test_forget.py",
    *("cli/test_preflight.py", "pipeline/test_accounts.py", "pipeline/test_definitions.py"),
    *("orchestration/test_kubernetes.py", "orchestration/test_runs.py"),
    *("pipeline/test_console.py", "pipeline/test_maps.py", "pipeline/test_shared_state.py"),
    *("taps/tap_ihc/test_size.py", "test_docs.py"),
    *(
        "targets/target_warehouse/test_dlt_runs.py",
        "targets/target_warehouse/test_third_party_taps.py",
        "targets/target_warehouse/test_limits.py",
    ),
    *("reporting/test_report_runs.py", "targets/target_warehouse/test_lost_connections.py"),
    *("reliability/test_many_kills.py", "reliability/test_secrets_of_operations.py"),
    *("reliability/test_many_known_days.py", "cli/test_verify.py"),
    "reporting/test_completeness_backtest.py",
    "reliability/test_forgotten_people.py",
    *("reliability/test_many_withdrawals.py", "reliability/test_matrix.py"),
    *("reliability/test_operation_kills.py", "reliability/test_writing_matrix.py"),
    "reliability/test_withdrawals.py",
    "transform/test_truth_page.py",
}
"""Files whose tests take long, mostly because they run Meltano many times."""


def pytest_configure() -> None:
    """Let programs receive SIGINT: a shell ignores it in what it starts in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark long tests, and keep tests together that share an expensive fixture."""
    for item in items:
        place = item.path.relative_to(TESTS)
        if str(place) in LONG:
            item.add_marker(pytest.mark.long)
        group = "pipeline" if place.parts[0] == "pipeline" else str(place)
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(autouse=True)
def _as_in_a_new_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Reset the secrets, log level, environment and signal handlers that earlier tests have set.

    The SDK reads a developer's .env into the environment of the process.
    """
    monkeypatch.setattr(redactor, "_needles", [])
    root = logging.getLogger()
    level, environment = root.level, dict(os.environ)
    with signals_kept():
        yield
    root.setLevel(level)
    os.environ.clear()
    os.environ.update(environment)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Start a PostgreSQL server for the session; return the URL of its maintenance database."""
    with postgres.serving() as server:
        yield server.get_uri()


@pytest.fixture(scope="session")
def _postgres_database(postgres_server: str) -> str:
    """Create a database for the tests of this process, and return its URL."""
    name = f"test_{os.getpid()}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return postgres_server.replace("/postgres?", f"/{name}?")


@pytest.fixture
def postgres_url(_postgres_database: str) -> str:
    """Return the URL of an empty database, over the server's socket."""
    postgres.empty(_postgres_database)
    return _postgres_database


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Serve a webhook."""
    with listening() as started:
        yield started


@pytest.fixture(scope="session")
def uv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of uv, if a registry is available."""
    uv = Path(sys.executable).with_name("uv")
    folder = tmp_path_factory.mktemp("nothing")
    probe = (uv, "pip", "install", "--dry-run", "--no-deps", "--refresh", "--target", folder)
    done = subprocess.run((*probe, "hatchling"), capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no registry of packages can be reached: {done.stderr}")
    return uv


@pytest.fixture(scope="session")
def wheel(uv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel of the distribution."""
    folder = tmp_path_factory.mktemp("dist")
    command = (uv, "build", "--quiet", "--wheel", "--out-dir", folder, Path(__file__).parent.parent)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture
def duckdb(tmp_path: Path) -> DuckDB:
    return DuckDB(f"duckdb:///{tmp_path}/warehouse.duckdb", tmp_path)


@pytest.fixture
def sqlite(tmp_path: Path) -> SQLite:
    return SQLite(f"sqlite:///{tmp_path}/warehouse.db", tmp_path)


@pytest.fixture
def postgresql(postgres_url: str, tmp_path: Path) -> PostgreSQL:
    return PostgreSQL(postgres_url, tmp_path)


@pytest.fixture(params=["duckdb", "postgresql", "sqlite"])
def warehouse(request: pytest.FixtureRequest) -> Warehouse:
    """Return each warehouse in turn."""
    found: Warehouse = request.getfixturevalue(request.param)
    return found
