"""Tasks are pods that share only databases; a stand-in replaces the cluster's API."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import dagster
import psycopg
import pytest
import yaml

from attribution_elt.sandbox import Sandbox
from attribution_elt.sandbox.faults import Fault
from attribution_elt.sandbox.messages import Request
from tests.orchestration.cluster import PATIENCE, Cluster, running
from tests.orchestration.helpers import FIRST_TASK, SECOND_TASK, with_second_account
from tests.pipeline.landings import Postgres
from tests.pipeline.meltano import PROJECT, SCRIPTS, environment, meltano, settings

IMAGE = "registry.example.com/attribution-elt:1"
OTHER_TASK = "tap_adtraction_to_target_warehouse"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Serve the vendors with today's date, because the taps read up to the real day."""
    with Sandbox(seed=7, today=datetime.now(UTC).date()) as fresh:
        yield fresh


@pytest.fixture
def machines(tmp_path: Path) -> list[Path]:
    """Return clones of the project, whose second account of ECDP has no credentials."""
    other = "tap-adtraction target-warehouse"
    return [with_second_account(tmp_path / name, other) for name in ("one", "two", "three")]


@pytest.fixture
def variables(sandbox: Sandbox, postgres_url: str) -> dict[str, str]:
    """Return the contents of the secret: credentials, and the shared databases."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        for schema in ("meltano", "dagster"):
            connection.execute(f"CREATE SCHEMA {schema}".encode())
    vendors = settings(sandbox)
    meltanos = postgres_url.replace("postgresql://", "postgresql+psycopg://")
    return environment(
        {tap: vendors[tap] for tap in ("tap-ecdp", "tap-adtraction")},
        **Postgres(postgres_url).variables,
        MELTANO_ENVIRONMENT="prod",
        MELTANO_DATABASE_URI=f"{meltanos}&options=-csearch_path%3Dmeltano",
        DAGSTER_DATABASE_URL=f"{postgres_url}&options=-csearch_path%3Ddagster",
        ATTRIBUTION_ELT_IMAGE=IMAGE,
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return the folder of dagster.yaml, changed only in how the cluster is reached."""
    folder = tmp_path / "home"
    folder.mkdir()
    document = yaml.safe_load(
        (PROJECT / "attribution_elt" / "orchestration" / "kubernetes.yaml").read_text()
    )
    document["run_launcher"]["config"] |= {
        "load_incluster_config": False,
        "kubeconfig_file": str(folder / "kubeconfig"),
    }
    (folder / "dagster.yaml").write_text(yaml.safe_dump(document))
    return folder


@pytest.fixture
def cluster(machines: list[Path], variables: dict[str, str], home: Path) -> Iterator[Cluster]:
    variables["DAGSTER_HOME"] = str(home)
    with running(machines, variables) as started:
        started.write_access(home / "kubeconfig")
        yield started


@contextmanager
def run_of(machine: Path, variables: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run ECDP's job in the process that replaces the pod of the run."""
    command = [
        str(SCRIPTS / "dagster"),
        *("job", "execute", "-m", "attribution_elt.orchestration.kubernetes"),
    ]
    with subprocess.Popen(
        [*command, "-j", "ecdp"],
        cwd=machine,
        env=variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        yield process


def test_tasks_of_a_run_are_pods_and_those_of_one_account_never_run_at_once(
    cluster: Cluster,
    machines: list[Path],
    variables: dict[str, str],
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with run_of(machines[0], variables) as run:
        _, log = run.communicate(timeout=2 * PATIENCE)
    assert run.returncode == 0, log[-5000:]
    pods = list(cluster.pods.values())
    assert len({pod.machine for pod in pods}) == len(pods) == 3
    for pod in pods:
        assert pod.container["image"] == IMAGE
        secrets = [each["secretRef"]["name"] for each in pod.container["envFrom"]]
        assert secrets == ["attribution-elt"]
        assert pod.spec["terminationGracePeriodSeconds"] == 600
        assert pod.spec["serviceAccountName"] == "dagster"
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with dagster.DagsterInstance.from_config(str(home)) as instance:
        (one,) = instance.get_runs()
        at = {
            (entry.dagster_event.step_key, entry.dagster_event.event_type_value): entry.timestamp
            for entry in instance.all_logs(one.run_id)
            if entry.dagster_event
        }
    assert {key for key, kind in at if kind == "STEP_SUCCESS"} == {
        FIRST_TASK,
        SECOND_TASK,
        OTHER_TASK,
    }
    first, second = sorted(
        (at[task, "STEP_START"], at[task, "STEP_SUCCESS"]) for task in (FIRST_TASK, SECOND_TASK)
    )
    assert first[1] <= second[0], "two tasks spent one quota"
    states = meltano(machines[2], "state", "list", env=variables).stdout.split()
    taps = ("tap-adtraction", "tap-ecdp", "tap-ecdp-shop-two")
    assert sorted(states) == sorted(f"prod:{tap}-to-target-warehouse" for tap in taps)


def test_a_run_that_is_stopped_lets_its_pods_end_in_order(
    cluster: Cluster, machines: list[Path], variables: dict[str, str], sandbox: Sandbox
) -> None:
    asked = threading.Event()

    def note(_: Request) -> bool:
        asked.set()
        return True

    sandbox.ecdp.faults.add(Fault("slow", times=None, match=note, delay=2))
    with run_of(machines[0], variables) as run:
        assert asked.wait(PATIENCE)
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=PATIENCE)
    printed = [line for pod in cluster.pods.values() for line in pod.printed().splitlines()]
    summaries = [json.loads(line) for line in printed if line.startswith('{"event": "summary"')]
    assert 128 + signal.SIGTERM in {summary["exit_code"] for summary in summaries}
