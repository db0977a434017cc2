"""Many requests: how fast, how small, and what a kill leaves behind."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from attribution_elt.sandbox import Sandbox
from tests.tap_process import Output, command, merged
from tests.taps.tap_ignite.helpers import (
    KEYS,
    days_ago,
    expected,
    holds,
    killed,
    marks,
    only,
    requests,
    run_here,
    settings,
)

MEMBERS = "audience_members"


def measured(folder: Path, **given: Any) -> tuple[Output, float]:
    """Run the console script; return its peak memory in MB with its output."""
    out = folder / "out"
    with out.open("wb") as file:
        process = subprocess.Popen(
            command(folder, "tap-ignite", **given), stdout=file, stderr=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Output(out.read_bytes(), code=process.returncode), usage.ru_maxrss / 1024


def test_2000_audiences_are_quick_in_flat_memory_with_a_small_state(
    today: Sandbox, tmp_path: Path
) -> None:
    vendor = today.ignite
    vendor.sizes.audiences = 200
    config = settings(today, websites=vendor.websites[1:])
    catalog = only(config, MEMBERS, "audiences")
    few, little = measured(tmp_path, config=config, catalog=catalog)
    vendor.sizes.audiences = 2000
    vendor.requests.clear()
    vendor.latency = 0.05
    many, memory = measured(tmp_path, config=config, catalog=catalog)
    assert (few.code, many.code) == (0, 0)
    rows = expected(vendor.websites[1], days_ago(today, 30))
    assert many.rows("audiences") == rows["audiences"]
    assert many.rows(MEMBERS) == rows[MEMBERS]
    assert len(requests(today)) == 2001
    assert max(request.in_flight for request in vendor.requests) == 8
    times = [request.time for request in vendor.requests]
    assert max(times) - min(times) < 20
    assert memory < 1.1 * little
    assert len(json.dumps(many.states[-1])) < 500
    assert len(many.states) < 10


@pytest.mark.parametrize("after", ["audience_members", "products"])
def test_after_a_kill_the_next_run_brings_what_is_missing(
    today: Sandbox, tmp_path: Path, after: str
) -> None:
    today.ignite.latency = 0.005
    config = settings(today)
    name = f'"RECORD","stream":"{after}"'.encode()
    first = killed(tmp_path, after=lambda line: name in line, config=config)
    assert first.code == -9
    state = merged(*first.states)
    since = days_ago(today, 30)
    second = run_here(config, state=state)
    assert second.code == 0
    both = Output(first.stdout[: first.stdout.rfind(b"\n") + 1] + second.stdout)
    for site in today.ignite.websites:
        for stream, rows in expected(site, since).items():
            done = site.name in marks(state, stream)
            found = {key for key in both.rows(stream) if key[0] == site.name}
            assert found == rows.keys(), stream
            assert not done or rows.items() <= first.rows(stream).items()


def test_the_number_of_requests_in_flight_changes_no_byte(sandbox: Sandbox) -> None:
    site = sandbox.ignite.websites[1]
    outputs = []
    for width in (1, 8, 64):
        sandbox.ignite.requests.clear()
        config = settings(sandbox, websites=[site], max_concurrent_requests=width)
        outputs.append(run_here(config))
        assert max(request.in_flight for request in sandbox.ignite.requests) <= width
    assert len({output.stdout for output in outputs}) == 1
    assert holds(outputs[0], site, days_ago(sandbox, 30))


def test_states_are_few_and_small(sandbox: Sandbox) -> None:
    sandbox.ignite.website_count = 4
    output = run_here(settings(sandbox))
    assert len(output.states) <= 5 * len(KEYS)
    assert max(len(json.dumps(state)) for state in output.states) < 4000
