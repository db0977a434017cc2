"""Outputs and files of Meltano and `attribution-elt` contain no secret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from attribution_elt.sandbox import Fault
from tests import leaks, postgres
from tests.operating import attribution_elt
from tests.pipeline.meltano import environment, meltano, project
from tests.reliability.canaries import canary, echo, opened_by_canaries, secrets_of
from tests.reliability.database import Database, all_rows
from tests.reliability.truth import Account
from tests.targets.target_warehouse.proxy import Proxy
from tests.webhook import Receiver

LONG_AGO = datetime.now(UTC).date() - timedelta(days=50)
PASSWORD, WEBHOOK = canary("password"), canary("webhook")


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    with opened_by_canaries(tmp_path) as accounts:
        yield accounts["tap-ecdp"]


@pytest.fixture
def variables(account: Account, server: Database, receiver: Receiver) -> Iterator[dict[str, str]]:
    """Return environment variables with canaries as secrets, and an empty database."""
    postgres.empty(server.url)
    with Proxy(server.url) as proxy:
        url = proxy.url.replace("postgres:@", f"postgres:{quote(PASSWORD, safe='')}@")
        yield environment(
            {account.tap: account.settings},
            TARGET_WAREHOUSE_URL=url,
            ATTRIBUTION_ELT_WEBHOOK_URL=f"{receiver.url}/{quote(WEBHOOK, safe='')}",
            MELTANO_ENVIRONMENT="prod",
        )


def assert_silent(folder: Path, account: Account, *outputs: str) -> None:
    """Assert that the outputs and the files of the project contain no secret."""
    secrets = {PASSWORD, WEBHOOK, *secrets_of(account)}
    for each in outputs:
        assert leaks.found(each, secrets) == [], each
    for path in folder.rglob("*"):
        if path.is_file():
            assert leaks.found(path.read_bytes(), secrets) == [], path


@pytest.mark.parametrize("status", [None, 400, 401, 500])
def test_a_run_of_meltano(
    status: int | None, account: Account, variables: Mapping[str, str], tmp_path: Path
) -> None:
    folder = project(tmp_path / "project")
    if status:
        fault = Fault("status", status=status, times=None, body=echo(account))
        account.vendor.faults.add(fault)
    run = ("--log-level=debug", "run", account.tap, "target-warehouse")
    done = meltano(folder, *run, env=variables, check=False)
    assert (done.returncode == 0) is (status is None), done.stderr
    assert "returned" in done.stderr
    assert_silent(folder, account, done.stdout, done.stderr)


@pytest.mark.parametrize("status", [None, 401, 500])
def test_commands_of_attribution_elt(
    status: int | None,
    account: Account,
    variables: Mapping[str, str],
    receiver: Receiver,
    tmp_path: Path,
) -> None:
    folder = project(tmp_path / "project")
    if status:
        fault = Fault("status", status=status, times=None, body=echo(account))
        account.vendor.faults.add(fault)
    backfill = ("backfill", account.tap, f"--from={LONG_AGO}", f"--to={LONG_AGO}", "--slice=5d")
    given = {**variables, "LOGLEVEL": "DEBUG"}
    for command in (
        ("preflight",),
        ("run", account.tap, "target-warehouse"),
        backfill,
        ("freshness", "--max-age", "26h"),
    ):
        done = attribution_elt(folder, given, *command)
        assert (done.returncode == 0) is (status is None), (command, done.stdout, done.stderr)
        assert_silent(folder, account, done.stdout, done.stderr, *receiver.texts)
    assert bool(receiver.texts) is bool(status)
    with psycopg.connect(variables["TARGET_WAREHOUSE_URL"]) as connection:
        rows = connection.execute("SELECT * FROM tap_ecdp._runs").fetchall()
    assert_silent(folder, account, repr(rows))


def test_verifications_histories_models_and_metrics(
    account: Account, variables: Mapping[str, str], tmp_path: Path
) -> None:
    folder = project(tmp_path / "project")
    given = {**variables, "LOGLEVEL": "DEBUG", "TARGET_WAREHOUSE_HISTORY": '["*"]'}
    url = variables["TARGET_WAREHOUSE_URL"]
    today = datetime.now(UTC).date()
    days = (f"--from={today - timedelta(days=9)}", f"--to={today - timedelta(days=3)}")
    for command in (
        ("run", account.tap, "target-warehouse"),
        ("verify", account.tap, *days, "--repair"),
        ("models",),
        ("metrics",),
        ("report", "--output=report.html"),
    ):
        if command[0] == "verify":
            with psycopg.connect(url) as connection:
                connection.execute("UPDATE tap_ecdp.attributed_orders SET channel = 'x'")
        done = attribution_elt(folder, given, *command)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        assert_silent(folder, account, done.stdout, done.stderr)
    rows = all_rows(url)
    assert {"_verifications", "attributed_orders__history", "fct_credits"} <= rows.keys()
    assert_silent(folder, account, *map(repr, rows.values()))


@pytest.mark.parametrize("port", ["1", "port"])
def test_an_unreachable_warehouse(
    port: str, account: Account, variables: Mapping[str, str], tmp_path: Path
) -> None:
    folder = project(tmp_path / "project")
    url = f"postgresql://user:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/db"
    given = {**variables, "TARGET_WAREHOUSE_URL": url, "LOGLEVEL": "DEBUG"}
    for command in (("preflight",), ("run", account.tap, "target-warehouse")):
        done = attribution_elt(folder, given, *command)
        assert done.returncode == 1
        assert_silent(folder, account, done.stdout, done.stderr)
