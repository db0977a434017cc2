from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from attribution_elt.sandbox import Sandbox
from tests.operating import at_a_terminal, attribution_elt, variables
from tests.pipeline.meltano import SCRIPTS, TAPS, project

ACCOUNTS = [
    "tap-ecdp",
    "tap-adtraction partner_token",
    "tap-adtraction client_token",
    "tap-ignite website_1",
    "tap-ignite website_2",
    "tap-attribution-io",
    "tap-ihc",
]


def names(printed: str) -> list[str]:
    """What the lines are about."""
    return [line[7:].partition("  ")[0].strip() for line in printed.splitlines()]


def test_every_account_and_the_warehouse_have_a_line(sandbox: Sandbox, tmp_path: Path) -> None:
    folder = project(tmp_path / "project")
    done = attribution_elt(folder, variables(sandbox, TAPS), "preflight")
    assert done.returncode == 0, done.stdout + done.stderr
    assert names(done.stdout) == [*ACCOUNTS, "target-warehouse", "this machine"]
    assert {line[:7] for line in done.stdout.splitlines()} == {"ok     "}
    assert "\033" not in done.stdout
    assert done.stderr == ""
    assert not (folder / "warehouse.duckdb").exists()


def test_postgresql_is_looked_at_in_the_schemas_of_the_accounts(
    sandbox: Sandbox, tmp_path: Path, postgres_url: str
) -> None:
    folder = project(tmp_path / "project")
    environment = variables(sandbox, ["tap-ecdp"], TARGET_WAREHOUSE_URL=postgres_url)
    done = attribution_elt(folder, environment, "preflight")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "may create and write in tap_ecdp; clocks agree; its days" in done.stdout.splitlines()[1]


def test_what_is_to_be_done_is_told_to_people_and_to_schedulers(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    folder = project(tmp_path / "project")
    environment = variables(sandbox, ["tap-ecdp"], TAP_ECDP_API_KEY="expired-on-saturday")
    done = attribution_elt(folder, environment, "--environment=prod", "preflight", "--json")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert document["ok"] is False
    told = {each["subject"]: each["problems"] for each in document["checks"]}
    assert told["tap-ecdp"] == ["ECDP, credentials: answered 401: check the setting api_key"]
    assert told["target-warehouse"][0].startswith("it cannot be reached: ")  # prod is PostgreSQL
    assert "expired" not in done.stdout + done.stderr


def test_a_second_account_is_looked_at_by_itself_and_colours_are_for_terminals(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    second = {"name": "shop-two", "inherit_from": "tap-ecdp", "namespace": "shop_two"}
    folder = project(tmp_path / "project", extractors=(second,))
    environment = variables(sandbox, ["tap-ecdp"], SHOP_TWO_API_KEY="wrong")
    code, (first, other, *_) = at_a_terminal(folder, environment, "preflight")
    assert code == 1
    assert first.startswith("\033[32mok   \033[0m  tap-ecdp")
    assert other.startswith("\033[31mto do\033[0m  shop-two")


def test_without_any_credentials_there_is_something_to_do(sandbox: Sandbox, tmp_path: Path) -> None:
    folder = project(tmp_path / "project")
    inner = folder / "deeper"
    inner.mkdir()
    done = attribution_elt(inner, variables(sandbox, []), "preflight")
    assert done.returncode == 1
    assert done.stdout.startswith("to do  accounts")


def test_meltano_runs_it_too(sandbox: Sandbox, tmp_path: Path) -> None:
    folder = project(tmp_path / "project")
    done = subprocess.run(
        [str(SCRIPTS / "meltano"), "invoke", "attribution-elt:preflight"],
        cwd=folder,
        env=variables(sandbox, ["tap-ecdp"]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ok     tap-ecdp")


def test_elsewhere_than_in_a_project_it_says_so(tmp_path: Path) -> None:
    done = attribution_elt(tmp_path, {**os.environ}, "preflight")
    assert done.returncode == 1
    assert done.stderr == f"Error: {tmp_path} is no Meltano project: there is no meltano.yml\n"


def test_an_environment_that_there_is_not_is_meltano_s_to_tell(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    folder = project(tmp_path / "project")
    done = attribution_elt(folder, variables(sandbox, []), "--environment=nope", "preflight")
    assert done.returncode == 1
    assert done.stderr == "Error: meltano compile: Environment 'nope' was not found.\n"
