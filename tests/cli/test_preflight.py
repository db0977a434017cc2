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
    """Return the subjects of the lines."""
    return [line[7:].partition("  ")[0].strip() for line in printed.splitlines()]


def test_every_account_and_the_warehouse_have_a_line(sandbox: Sandbox, tmp_path: Path) -> None:
    folder = project(tmp_path / "project")
    listed = folder / "customers.txt"
    listed.write_text("a customer")
    listed.chmod(0o644)
    environment = variables(sandbox, TAPS, TAP_ATTRIBUTION_IO_CUSTOMER_IDS_FILE=str(listed))
    done = attribution_elt(folder, environment, "preflight")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"others can read {listed}" in done.stdout
    assert names(done.stdout) == [*ACCOUNTS, "target-warehouse", "this machine"]
    assert {line[:7] for line in done.stdout.splitlines()} == {"ok     "}
    assert "\033" not in done.stdout
    assert done.stderr == ""
    assert not (folder / "warehouse.duckdb").exists()


def test_postgresql_is_checked_in_the_schemas_of_the_accounts(
    sandbox: Sandbox, tmp_path: Path, postgres_url: str
) -> None:
    folder = project(tmp_path / "project")
    environment = variables(sandbox, ["tap-ecdp"], TARGET_WAREHOUSE_URL=postgres_url)
    done = attribution_elt(folder, environment, "preflight")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "can create and write in tap_ecdp; clocks agree; its days" in done.stdout.splitlines()[1]


def test_problems_are_printed_as_json_too(sandbox: Sandbox, tmp_path: Path) -> None:
    folder = project(tmp_path / "project")
    environment = variables(sandbox, ["tap-ecdp"], TAP_ECDP_API_KEY="expired-on-saturday")
    done = attribution_elt(folder, environment, "--environment=prod", "preflight", "--json")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert document["ok"] is False
    problems = {each["subject"]: each["problems"] for each in document["checks"]}
    assert problems["tap-ecdp"] == ["ECDP, credentials: returned 401: check the setting api_key"]
    assert " cannot be reached: " in problems["target-warehouse"][0]  # prod is PostgreSQL
    assert "expired" not in done.stdout + done.stderr


def test_misspelt_variables_of_taps_and_loaders_are_named(sandbox: Sandbox, tmp_path: Path) -> None:
    folder = project(tmp_path / "project")
    (folder / ".env").write_text("TARGET_WAREHOUSE_HISTRY=[]\n")
    environment = variables(
        sandbox, ["tap-ecdp"], TAP_ECDP_WINDOW_DAY="3", TARGET_IGNITE_MAX_NEWS="5"
    )
    done = attribution_elt(folder, environment, "preflight", "--json")
    assert done.returncode == 1
    (found,) = (each for each in json.loads(done.stdout)["checks"] if not each["ok"])
    assert found["problems"] == [
        "tap-ecdp has no setting 'window_day'; did you mean 'window_days'?",
        "target-ignite has no setting 'max_news'; did you mean 'max_new'?",
        "target-warehouse has no setting 'histry'; did you mean 'history'?",
    ]


def test_each_account_has_a_line_and_terminals_get_colours(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    second = {"name": "shop-two", "inherit_from": "tap-ecdp", "namespace": "shop_two"}
    folder = project(tmp_path / "project", extractors=(second,))
    environment = variables(sandbox, ["tap-ecdp"], SHOP_TWO_API_KEY="wrong")
    code, (first, other, *_) = at_a_terminal(folder, environment, "preflight")
    assert code == 1
    assert first.startswith("\033[32mok   \033[0m  tap-ecdp")
    assert other.startswith("\033[31mto do\033[0m  shop-two")


def test_a_project_without_credentials_does_not_pass(sandbox: Sandbox, tmp_path: Path) -> None:
    folder = project(tmp_path / "project")
    inner = folder / "deeper"
    inner.mkdir()
    done = attribution_elt(inner, variables(sandbox, []), "preflight")
    assert done.returncode == 1
    assert done.stdout.startswith("to do  accounts")


def test_meltano_invokes_preflight(sandbox: Sandbox, tmp_path: Path) -> None:
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


def test_a_folder_that_is_not_a_project_is_an_error(tmp_path: Path) -> None:
    done = attribution_elt(tmp_path, {**os.environ}, "preflight")
    assert done.returncode == 1
    assert (
        done.stderr == f"Error: {tmp_path} is not a Meltano project: meltano.yml does not exist\n"
    )


def test_an_unknown_environment_is_an_error(sandbox: Sandbox, tmp_path: Path) -> None:
    folder = project(tmp_path / "project")
    done = attribution_elt(folder, variables(sandbox, []), "--environment=nope", "preflight")
    assert done.returncode == 1
    assert done.stderr == "Error: meltano compile: Environment 'nope' was not found.\n"
