"""The steps of the README in an empty environment: the settings are in `.env` alone."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from attribution_elt.sandbox import Sandbox
from attribution_elt.sandbox.environment import spelled
from tests import postgres
from tests.operating import attribution_elt
from tests.pipeline.meltano import SCRIPTS, project, settings

PASSWORD = "geheim nis#1"
TO_FILL_IN = """
TAP_ADTRACTION_PARTNER_TOKEN=
TAP_IGNITE_WEBSITES=[{"name": "shop", "token": "", "secret": ""}]
TAP_IHC_API_KEY=
"""
"""Lines of the example that a user with other accounts does not change."""


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Serve the vendors with today's date, because the taps read up to the real day."""
    with Sandbox(seed=7, today=datetime.now(UTC).date()) as fresh:
        yield fresh


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Return the port of a server that requires a password."""
    with postgres.serving() as server:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE ROLE loader LOGIN PASSWORD '{PASSWORD}'".encode())
            connection.execute(b"CREATE DATABASE shop OWNER loader")
        with postgres.over_tcp(server) as found:
            yield found


def lines(sandbox: Sandbox, *taps: str) -> str:
    """Return the lines of `.env` for the accounts of these taps."""
    every = settings(sandbox)
    variables = spelled({tap: every[tap] for tap in taps})
    return TO_FILL_IN + "".join(f"{name}='{value}'\n" for name, value in variables.items())


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the console script with the environment that `env -i` leaves."""
    variables = {"PATH": f"{SCRIPTS}{os.pathsep}/usr/bin:/bin", "HOME": str(folder)}
    return attribution_elt(folder, variables, *arguments)


def test_the_steps_of_the_readme_work_with_postgresql_over_tcp(
    sandbox: Sandbox, tmp_path: Path, port: int
) -> None:
    folder = project(tmp_path / "project")
    database = (
        f"PGHOST=127.0.0.1\nPGPORT={port}\nPGUSER=loader\nPGPASSWORD='{PASSWORD}'\n"
        "PGDATABASE=shop\n"
    )
    (folder / ".env").write_text(lines(sandbox, "tap-ecdp") + database)
    checked = run(folder, "--environment=prod", "preflight")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert [line.split()[1] for line in checked.stdout.splitlines()] == [
        *("tap-ecdp", "target-warehouse", "this")
    ]

    done = run(folder, "--environment=prod", "run", "all")
    assert done.returncode == 0, done.stdout
    *_, summary = map(json.loads, done.stdout.splitlines())
    assert [each["task"] for each in summary["runs"]] == ["tap-ecdp target-warehouse"]
    assert summary["skipped"] == [
        *("tap-adtraction", "tap-ignite", "tap-attribution-io", "tap-ihc")
    ]
    url = f"host=127.0.0.1 port={port} user=loader dbname=shop"
    with psycopg.connect(url, password=PASSWORD) as connection:
        row = connection.execute("SELECT count(*) FROM tap_ecdp.attributed_orders").fetchone()
    assert row is not None
    assert row[0] == len(sandbox.ecdp.truth())
    shown = run(folder, "--environment=prod", "report")
    assert shown.returncode == 0, shown.stderr
    assert PASSWORD not in checked.stdout + done.stdout + (folder / "report.html").read_text()


def test_an_unreachable_server_is_named(sandbox: Sandbox, tmp_path: Path) -> None:
    folder = project(tmp_path / "project")
    database = "PGHOST=127.0.0.1\nPGPORT=9\nPGUSER=loader\nPGPASSWORD=geheim\nPGDATABASE=shop\n"
    (folder / ".env").write_text(lines(sandbox, "tap-ecdp") + database)
    done = run(folder, "--environment=prod", "report")
    assert done.returncode == 1
    assert "postgresql shop on 127.0.0.1:9" in done.stderr
    assert "geheim" not in done.stderr


def test_another_env_file_replaces_the_project_s(sandbox: Sandbox, tmp_path: Path) -> None:
    folder = project(tmp_path / "project")
    (folder / ".env").write_text("TAP_ECDP_API_KEY=of-another-shop\n")
    (tmp_path / "other.env").write_text(lines(sandbox, "tap-ecdp"))
    done = run(folder, f"--env-file={tmp_path / 'other.env'}", "run", "ecdp")
    assert done.returncode == 0, done.stdout
    assert (folder / "warehouse.duckdb").stat().st_mode & 0o077 == 0
    assert (folder / ".meltano" / "meltano.db").stat().st_mode & 0o077 == 0


def test_one_vendor_that_fails_does_not_stop_the_others(sandbox: Sandbox, tmp_path: Path) -> None:
    folder = project(tmp_path / "project")
    text = lines(sandbox, "tap-adtraction", "tap-ecdp")
    token = sandbox.adtraction.partner_token
    (folder / ".env").write_text(text.replace(f"PARTNER_TOKEN='{token}'", "PARTNER_TOKEN=expired"))
    done = run(folder, "run", "all")
    assert done.returncode == 1
    *_, summary = map(json.loads, done.stdout.splitlines())
    ended = {each["task"].split()[0]: each["exit_code"] for each in summary["runs"]}
    assert ended == {"tap-adtraction": 1, "tap-ecdp": 0}
    assert all(each.startswith("tap-adtraction: ") for each in summary["failures"])
    assert any("check the setting partner_token" in each for each in summary["failures"])


def test_nothing_to_run_is_an_error(tmp_path: Path) -> None:
    folder = project(tmp_path / "project")
    done = run(folder, "run", "ecdp", "ignite")
    assert done.returncode == 1
    names = "tap-ecdp or tap-ignite"
    assert done.stderr == f"Error: nothing was run: set the credentials of {names} in .env\n"
    *_, summary = map(json.loads, done.stdout.splitlines())
    assert summary["exit_code"] == 1
    assert summary["skipped"] == ["tap-ecdp", "tap-ignite"]


def test_folders_with_secrets_that_a_killed_process_left_are_removed(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    folder = project(tmp_path / "project")
    (folder / ".env").write_text(lines(sandbox, "tap-ecdp"))
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    environment = {
        "PATH": f"{SCRIPTS}{os.pathsep}/usr/bin:/bin",
        "HOME": str(folder),
        "TMPDIR": str(temporary),
    }
    command = [str(SCRIPTS / "attribution-elt"), "freshness", "--max-age=1h"]
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, start_new_session=True
    ) as process:
        while not list(temporary.glob("*/*.json")):
            assert process.poll() is None
            time.sleep(0.05)
        os.killpg(process.pid, 9)
    assert list(temporary.iterdir())
    subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, check=False)
    assert list(temporary.iterdir()) == []
