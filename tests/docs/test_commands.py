"""Commands, options and recipes of the pages exist, as their programs read them."""

from __future__ import annotations

import contextlib
import importlib
import re
import shlex
import shutil
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from meltano.cli.cli import cli as meltano

from attribution_elt.cli.main import cli
from tests.docs import pages
from tests.docs.pages import PROJECT
from tests.test_project import DEFINITIONS, MELTANO, SCRIPTS

FOLDER = "/srv/attribution-elt"
PAGES = [*pages.pages(), *(PROJECT / name for name in ("CONTRIBUTING.md", "SECURITY.md"))]
STATE = PROJECT / "docs" / "state.md"
JOBS = {job["name"] for job in MELTANO["jobs"]}


def commands(text: str) -> Iterator[list[str]]:
    """The commands of `attribution-elt` and of `scripts/`, in code blocks and between backticks."""
    code = re.findall(r"^ *```\w*\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    code += re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    for line in "\n".join(code).replace("\\\n", " ").splitlines():
        found = re.match(
            r"(?:[\w*/,-]+ +){0,5}(?:[A-Z_]+=\S+ +)*"
            r"(?:\S*/)?((?:scripts/)?(?:attribution-elt|meltano))((?: +[^#|>&;`]+)?)", line.strip()
        )  # fmt: skip
        if found and (line.strip().startswith(("scripts/", "attribution-elt")) or FOLDER in line):
            words = found[2]
            words = re.sub(r"\$\w+|RUN-ID", "2026-01-01", words.replace("…", ""))
            with contextlib.suppress(ValueError):  # half of a string in another language
                yield [found[1].removeprefix("scripts/"), *shlex.split(words)]


def fault(words: list[str]) -> str | None:
    """Why a command would not be accepted; None if it is."""
    program, *arguments = words
    if program == "meltano":
        return fault_of_meltano(arguments)
    try:
        context = cli.make_context(program, list(arguments), resilient_parsing=True)
        rest = [*context.protected_args, *context.args] if arguments else []
        if rest and rest[0] not in cli.commands:
            return f"{program} has no command {rest[0]!r}"
        if rest:
            cli.commands[rest[0]].make_context(rest[0], rest[1:], parent=context)
    except click.MissingParameter:
        return None  # the name of a command in a sentence
    except click.BadParameter as error:
        return None if "No such file" in str(error) else str(error.message)
    except click.UsageError as error:
        return str(error.message)
    return None


def fault_of_meltano(arguments: list[str]) -> str | None:
    """As `fault`; Meltano's commands cannot be parsed without a project."""
    command: click.Command = meltano
    options = {name for each in meltano.params for name in each.opts}
    for word in arguments:
        if word.startswith("--") and word.partition("=")[0] not in options | {"--help"}:
            return f"no such option: {word}"
        if isinstance(command, click.Group) and not word.startswith("-"):
            if word not in command.commands:
                return f"{command.name} has no command {word!r}"
            command = command.commands[word]
            options |= {name for each in command.params for name in each.opts}
    return None


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # click 8's protected_args
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_pages_name_only_commands_and_options_that_exist(page: Path) -> None:
    faults = {shlex.join(each): fault(each) for each in commands(page.read_text("utf-8"))}
    assert {command: why for command, why in faults.items() if why} == {}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_commands_that_do_not_exist_are_found() -> None:
    text = "`scripts/attribution-elt alert --late 26h`, `attribution-elt freshness --late 26h`\n"
    first, second = map(fault, commands(text))
    assert first == "attribution-elt has no command 'alert'"
    assert second is not None
    assert "--late" in second


def test_every_command_is_on_the_page_of_operations() -> None:
    text = (PROJECT / "docs" / "operations.md").read_text("utf-8")
    assert [name for name in cli.commands if f"attribution-elt {name}" not in text] == []


# recipes


def recipe(heading: str, number: int = 0) -> str:
    """The block of a recipe of docs/state.md."""
    section = STATE.read_text("utf-8").partition(f"### {heading}\n")[2].partition("\n### ")[0]
    blocks = re.findall(r"```\w+\n(.*?)```", section, re.DOTALL)
    assert blocks, heading
    return str(blocks[number])


def assert_runs(command: str) -> None:
    """The command line is one of `attribution-elt`, and what it runs is a job."""
    program, *words = shlex.split(command)
    assert program in {f"{FOLDER}/scripts/attribution-elt", "scripts/attribution-elt"}
    assert fault(["attribution-elt", *words]) is None
    if "run" in words:
        assert words[-1] in JOBS


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_crontab_runs_jobs() -> None:
    zone, *lines = recipe("cron").splitlines()
    assert zone == "CRON_TZ=UTC"
    assert len(lines) == 3
    for line in lines:
        *fields, command = line.split(maxsplit=5)
        assert all(re.fullmatch(r"\*(/\d+)?|\d+", each) for each in fields)
        assert_runs(command)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_units_of_systemd_are_valid(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd is not on this machine")
    service, timer = recipe("systemd", 0), recipe("systemd", 1)
    (command,) = re.findall(r"^ExecStart=(.*)$", service, re.MULTILINE)
    assert_runs(command.replace("%i", "ecdp"))
    here = service.replace(FOLDER, str(PROJECT)).replace("User=elt", "User=root")
    (tmp_path / "attribution-elt@.service").write_text(here)
    (tmp_path / "attribution-elt@ecdp.timer").write_text(timer)
    for unit in ("attribution-elt@ecdp.timer", "attribution-elt@ecdp.service"):
        done = subprocess.run(
            [program, "verify", "--recursive-errors=no", tmp_path / unit],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
    (moment,) = re.findall(r"^OnCalendar=(.*)$", timer, re.MULTILINE)
    subprocess.run([program, "calendar", moment], capture_output=True, check=True)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_dag_of_airflow_runs_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """With stand-ins for Airflow's two names."""
    made: list[dict[str, Any]] = []

    class Dag:
        def __init__(self, name: str, **options: Any) -> None:
            made.append({"dag": name, **options})

        def __enter__(self) -> None: ...

        def __exit__(self, *_: object) -> None: ...

    modules: dict[str, dict[str, Any]] = {
        "airflow.sdk": {"DAG": Dag},
        "airflow.providers.standard.operators.bash": {
            "BashOperator": lambda **options: made.append(options)
        },
    }
    for name, members in modules.items():
        parts = name.split(".")
        for end in range(1, len(parts) + 1):
            package = ".".join(parts[:end])
            monkeypatch.setitem(sys.modules, package, types.ModuleType(package))
        vars(sys.modules[name]).update(members)
    exec(compile(recipe("Airflow"), "dag.py", "exec"), {})
    dag, task = made
    assert dag["dag"] in JOBS
    assert dag["catchup"] is False
    assert_runs(task["bash_command"])
    assert task["retries"] == 2


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_workflow_of_github_runs_a_job() -> None:
    workflow = yaml.safe_load(recipe("GitHub Actions"))
    (schedule,) = workflow[True]["schedule"]  # YAML 1.1 reads `on` as true
    assert re.fullmatch(r"[\d*/ ]+", schedule["cron"])
    (job,) = workflow["jobs"].values()
    (step,) = [each for each in job["steps"] if "run" in each]
    assert_runs(step["run"])
    known = {
        f"{name}_{setting['name']}".upper().replace("-", "_")
        for name, definition in DEFINITIONS.items()
        for setting in definition["settings"]
    }
    assert set(step["env"]) <= known | {"MELTANO_DATABASE_URI"}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_cron_job_of_kubernetes_is_one() -> None:
    """Every field is one of the API's, because a wrong name would be dropped on the way."""
    client = importlib.import_module("kubernetes.client")
    manifest = yaml.safe_load(recipe("Kubernetes"))

    class Answer:
        data = importlib.import_module("json").dumps(manifest)

    api = client.ApiClient()
    read = api.deserialize(Answer(), "V1CronJob")
    assert api.sanitize_for_serialization(read) == manifest
    pod = manifest["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert fault(["attribution-elt", *container["args"]]) is None
    assert container["args"][-1] in JOBS
    assert {each["name"] for each in container["volumeMounts"]} == {
        each["name"] for each in pod["volumes"]
    }


def test_the_programs_of_the_pages_exist() -> None:
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    scripts = set(re.findall(r"scripts/([a-z-]+)\b(?!\.)", text))
    assert {name for name in scripts if not (PROJECT / "scripts" / name).is_file()} == set()
    programs = set(re.findall(r"`((?:tap|target)-[a-z-]+) --", text))
    assert programs <= SCRIPTS.keys()
