"""A killed run costs the request in flight, and nothing else."""

from __future__ import annotations

import random
import subprocess
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from attribution_elt.sandbox.ihc import Ihc
from tests.tap_process import Output, Row, Rows, command, environment, merged
from tests.taps.tap_ihc.helpers import (
    bookmark,
    by_conversion,
    expected,
    file_of,
    forget,
    matches_truth,
    progress,
    run_here,
    sent,
    settings,
    some,
    sums_to_one,
)

KILLS = 10


def killed(vendor: Ihc, folder: Path, requests: int, wait: float, **given: Row) -> Output:
    """Run the tap and kill it (SIGKILL) shortly after so many responses."""
    done = len(vendor.requests) + requests
    with subprocess.Popen(
        command(folder, "tap-ihc", **given),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment("INFO"),
    ) as process:

        def kill() -> None:
            while len(vendor.requests) < done and process.poll() is None:
                threading.Event().wait(0.002)
            threading.Event().wait(wait)
            process.kill()

        killer = threading.Thread(target=kill)
        killer.start()
        assert process.stdout is not None
        written = process.stdout.read()
        killer.join()
    threading.Event().wait(0.1)  # the vendor still responds to the last request
    return Output(written, code=process.returncode)


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_random_moments_no_journey_is_lost_and_none_computed_twice(
    vendor: Ihc, tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    rows = some(240, seed)
    refused = set(sorted(by_conversion(rows))[::60])
    vendor.latency = 0.02
    vendor.partial_failures = seed == 1  # without them, requests are halved
    vendor.refused_conversions = refused
    config = settings(vendor, file_of(tmp_path / "j.jsonl", rows), max_journeys_per_request=6)
    state: dict[str, Any] = {}
    held: Rows = {}
    failures: Rows = {}
    in_flight: Counter[str] = Counter()
    kills = 0
    for _ in range(KILLS // 2):
        before = len(vendor.requests)
        moment = (rng.randrange(12), rng.random() * 0.06)
        output = killed(vendor, tmp_path, *moment, config=config, state=state)
        kills += output.code == -9
        if len(vendor.requests) > before:
            in_flight.update(sent(vendor)[-1])
        assert bookmark(merged(state, *output.states)) >= bookmark(state)
        state = merged(state, *output.states)
        held |= output.rows("attributions")
        failures |= output.rows("failures")
    assert kills >= KILLS // 2 - 1
    vendor.latency = 0
    last = run_here(config, state=state)
    assert last.code == 0
    held |= last.rows("attributions")
    failures |= last.rows("failures")
    good = [row for row in rows if row["conversion_id"] not in refused]
    assert matches_truth(held, expected(vendor, good))
    assert sums_to_one(held)
    assert {key[1] for key in failures} == refused
    assert vendor.split_journeys == set()
    for conversion, times in vendor.journeys_computed.items():
        assert times <= 1 + in_flight[conversion]
    assert progress(last.states[-1])["computed"]


def test_a_full_pipe_delays_further_requests(vendor: Ihc, tmp_path: Path) -> None:
    rows = some(150)
    config = settings(vendor, file_of(tmp_path / "j.jsonl", rows), max_journeys_per_request=10)
    with subprocess.Popen(
        command(tmp_path, "tap-ihc", config=config),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        pipesize=1 << 15,
        env=environment("INFO"),
    ) as process:
        seen = -1
        while not seen or seen != len(vendor.requests):  # until the pipe is full
            seen = len(vendor.requests)
            threading.Event().wait(0.3)
        process.kill()
        process.wait()
        assert process.stdout is not None
        output = Output(process.stdout.read())
    assert 0 < seen < 15
    forget(vendor)
    last = run_here(config, state=merged(*output.states))
    assert len(sent(vendor)) == 15 - seen + 1, "the one that was on its way, and what is left"
    held = output.rows("attributions") | last.rows("attributions")
    assert matches_truth(held, expected(vendor, rows))
