"""Machines that share their state: one resumes where the other stopped, and never both run."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from attribution_elt.sandbox import Sandbox
from attribution_elt.sandbox.faults import Fault
from attribution_elt.sandbox.messages import Request
from tests.pipeline.landings import Postgres
from tests.pipeline.meltano import SCRIPTS, environment, meltano, project, settings

ECDP = "prod:tap-ecdp-to-target-warehouse"
ADTRACTION = "prod:tap-adtraction-to-target-warehouse"
BUCKET = "states"
PATIENCE = 240  # seconds, on a machine that is busy


@contextmanager
def object_store() -> Iterator[dict[str, str]]:
    """Serve S3 with a bucket; return the settings of Meltano for it."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        client = boto3.client(
            "s3",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id="tests",
            aws_secret_access_key="tests",
        )
        client.create_bucket(Bucket=BUCKET)
        yield {
            "MELTANO_STATE_BACKEND_URI": f"s3://{BUCKET}/meltano",
            "MELTANO_STATE_BACKEND_S3_ENDPOINT_URL": url,
            "MELTANO_STATE_BACKEND_S3_AWS_ACCESS_KEY_ID": "tests",
            "MELTANO_STATE_BACKEND_S3_AWS_SECRET_ACCESS_KEY": "tests",
        }
    finally:
        server.stop()


@pytest.fixture(params=["database", "folder", "s3"])
def shared(
    request: pytest.FixtureRequest, postgres_url: str, tmp_path: Path
) -> Iterator[dict[str, str]]:
    """Return the settings of Meltano for shared states, as environment variables."""
    match request.param:
        case "database":
            yield {"MELTANO_DATABASE_URI": system_database(postgres_url)}
        case "folder":
            yield {"MELTANO_STATE_BACKEND_URI": f"file://{tmp_path / 'states'}"}
        case "s3":
            with object_store() as found:
                yield found


def system_database(url: str) -> str:
    """A database's URL as SQLAlchemy needs it to find the driver."""
    return url.replace("postgresql://", "postgresql+psycopg://")


@pytest.fixture
def machines(tmp_path: Path) -> tuple[Path, Path]:
    """Two clones of the project."""
    return project(tmp_path / "one"), project(tmp_path / "two")


def bookmark(folder: Path, state_id: str, env: Mapping[str, str]) -> str:
    """Return the state that Meltano would pass to the next run."""
    found = meltano(folder, "--environment=prod", "state", "get", state_id, env=env).stdout
    state: dict[str, Any] = json.loads(found)
    stream = state["singer_state"]["bookmarks"]["attributed_orders"]
    return str(stream["replication_key_value"])


def test_one_machine_resumes_where_the_other_has_stopped(
    shared: dict[str, str], machines: tuple[Path, Path], postgres_url: str, sandbox: Sandbox
) -> None:
    ecdp = {"tap-ecdp": settings(sandbox)["tap-ecdp"]}
    env = environment(ecdp, **Postgres(postgres_url).variables, **shared)
    one, two = machines
    day = str(sandbox.clock.today)
    run = ("--environment=prod", "run", "ecdp")
    meltano(one, *run, env={**env, "TAP_ECDP_END_DATE": day})
    first = bookmark(two, ECDP, env)
    assert first[:10] == day

    asked = len(sandbox.ecdp.requests)
    meltano(two, *run, env=env)
    starts = [request.query["startDate"][0] for request in sandbox.ecdp.requests[asked:]]
    assert min(starts) > str(sandbox.ecdp.first_day), "it began from the beginning"
    assert bookmark(one, ECDP, env) > first


def test_a_second_run_of_a_job_is_refused_and_other_jobs_are_not(
    machines: tuple[Path, Path], postgres_url: str, sandbox: Sandbox
) -> None:
    vendors = settings(sandbox)
    every = {tap: vendors[tap] for tap in ("tap-ecdp", "tap-adtraction")}
    database = system_database(postgres_url)
    env = environment(every, **Postgres(postgres_url).variables, MELTANO_DATABASE_URI=database)
    one, two = machines
    asked, go_on = threading.Event(), threading.Event()

    def hold(_: Request) -> bool:
        asked.set()
        go_on.wait(PATIENCE)
        return False

    sandbox.ecdp.faults.add(Fault("status", times=None, match=hold))
    run = ("--environment=prod", "run")
    first = subprocess.Popen(
        [str(SCRIPTS / "meltano"), *run, "ecdp"], cwd=one, env=env, stderr=subprocess.DEVNULL
    )
    try:
        assert asked.wait(PATIENCE)
        second = meltano(two, *run, "ecdp", env=env, check=False)
        meltano(two, *run, "adtraction", env=env)
    finally:
        go_on.set()
        first.wait(PATIENCE)
    assert second.returncode == 1
    assert f"Another '{ECDP}' pipeline is already running" in second.stderr
    assert first.returncode == 0
    states = meltano(two, "state", "list", env=env).stdout.split()
    assert sorted(states) == [ADTRACTION, ECDP]
    assert bookmark(two, ECDP, env)
