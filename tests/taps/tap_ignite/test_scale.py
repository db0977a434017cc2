"""Many requests: memory, states, and a kill in the middle."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from attribution_elt.sandbox import Sandbox
from tests.tap_process import Output, command
from tests.taps.tap_ignite.helpers import (
    KEYS,
    days_ago,
    expected,
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


def distinct(states: list[dict[str, Any]]) -> set[str]:
    """Return the distinct values of states."""
    return {json.dumps(state, sort_keys=True) for state in states}


@pytest.mark.long
def test_2000_audiences_take_flat_memory_and_a_small_state(today: Sandbox, tmp_path: Path) -> None:
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
    assert memory < 1.1 * little
    assert len(json.dumps(many.states[-1])) < 500
    assert len(distinct(many.states)) < 10  # each claim repeats the state that it goes with


def test_states_are_few_and_small(sandbox: Sandbox) -> None:
    sandbox.ignite.website_count = 4
    output = run_here(settings(sandbox))
    assert len(distinct(output.states)) <= 2 * 4 * len(KEYS)  # two for a stream and website
    assert max(len(json.dumps(state)) for state in output.states) < 5000
