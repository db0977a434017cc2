"""A writing target that is killed at any moment leaves no write lost or unexplained."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time

import pytest
from target_adtraction.target import TargetAdtraction
from target_ignite.target import TargetIgnite

from attribution_elt.sandbox import Fault, Sandbox
from attribution_elt.sandbox.messages import Request
from attribution_elt.sandbox.vendor import Vendor
from tests.targets.target_warehouse.warehouses import DuckDB, SQLite
from tests.targets.writing import Writer, wishes

WRITES, KILLS = (int(os.environ.get(f"WRITING_{what}", "0")) for what in ("WRITES", "KILLS"))
"""1,000 writes and 50 kills are the long run; the suite plays fewer."""
FAULTS = ("500", "429", "reset", "close", "truncate", "slow")


def add_faults(vendor: Vendor, seed: int) -> None:
    """Make 9 % of the writing requests fail, in every possible way."""
    rng = random.Random(seed)
    for kind in FAULTS:
        status = {"500": 500, "429": 429}.get(kind)

        def struck(request: Request) -> bool:
            writing = request.method == "PUT" or "/opt_outs/" in request.target
            return writing and rng.random() < 0.09 / len(FAULTS)

        fault = (
            Fault("status", times=None, status=status, retry_after=0, match=struck)
            if status
            else Fault(kind, times=None, delay=0.01, match=struck)  # type: ignore[arg-type] # a literal
        )
        vendor.faults.add(fault)


def run_with_kills(
    writer: Writer, text: str, vendor: Vendor, *, requests: int, kills: int, seed: int
) -> None:
    """Kill the target after a random number of its writing requests, and at last let it finish.

    The kills are spread over the `requests` that the whole input takes.
    """
    rng = random.Random(seed)

    def written() -> int:
        return sum(each.method == "PUT" or "/opt_outs/" in each.path for each in vendor.requests)

    for run in range(kills):
        process = writer.start(subprocess.DEVNULL)
        assert process.stdin is not None
        process.stdin.write(text)
        process.stdin.close()
        until = written() + rng.randint(0, int(0.9 * requests / kills))
        while written() < until and process.poll() is None:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.01))  # before the response, before its commit, or after it
        assert process.poll() is None, "the kills come before the end"
        process.send_signal(signal.SIGTERM if run % 5 == 4 else signal.SIGKILL)
        process.wait(timeout=60)
    process = writer.start(subprocess.DEVNULL)
    process.communicate(text)
    # a request may fail to the last retry: the next run sends what is left
    for _ in range(3):
        if process.returncode == 0:
            return
        process = writer.start(subprocess.DEVNULL)
        process.communicate(text)
    raise AssertionError("the target never succeeded")


def assert_explained(writer: Writer) -> None:
    for key, outcomes in writer.outcomes(final=False).items():
        settled = [each for each in outcomes if each != "unchanged"]
        assert settled, key
        # a kill after `applied` leaves the confirmation to the next run, as `unchanged`
        assert settled[-1] in {"confirmed", "accepted", "applied"}, (key, outcomes)


def test_every_status_is_written_in_spite_of_kills(duckdb: DuckDB, sandbox: Sandbox) -> None:
    count, kills = WRITES or 60, KILLS or 4
    sandbox.adtraction.channel_count = 3 * count
    pending = [
        row["channelId"]
        for row in sandbox.adtraction.truth()["channels"]
        if row["approvalStatus"] == 2
    ][:count]
    assert len(pending) == count
    sandbox.adtraction.quota.limits = dict.fromkeys(sandbox.adtraction.quota.limits, 100_000)
    add_faults(sandbox.adtraction, 1)
    settings = {
        "client_token": sandbox.adtraction.client_token,
        "api_url": sandbox.adtraction.url,
        "dry_run": False,
        "max_changes": count,
    }
    writer = Writer(TargetAdtraction, settings, duckdb)
    text = wishes("channel_status", [{"channel_id": e, "approval_status": 1} for e in pending])

    run_with_kills(writer, text, sandbox.adtraction, requests=count, kills=kills, seed=1)

    rows = {row["channelId"]: row for row in sandbox.adtraction.truth()["channels"]}
    assert all(rows[each]["approvalStatus"] == 1 for each in pending)
    assert_explained(writer)


@pytest.mark.long
def test_every_opt_out_is_written_in_spite_of_kills(sqlite: SQLite, sandbox: Sandbox) -> None:
    count, kills = WRITES or 120, KILLS or 4
    website = sandbox.ignite.websites[0]
    add_faults(sandbox.ignite, 2)
    settings = {
        "websites": [{"name": website.name, "token": website.token}],
        "pii_key": "a key of the tests",
        "api_url": sandbox.ignite.opt_out_url,
        "dry_run": False,
        "batch_size": 2,
    }
    writer = Writer(TargetIgnite, settings, sqlite)
    addresses = [f"p{number}@b.example" for number in range(count)]
    text = wishes("opt_outs", [{"email": each, "website": website.name} for each in addresses])

    run_with_kills(writer, text, sandbox.ignite, requests=count // 2, kills=kills, seed=2)

    assert {effect.key for effect in sandbox.ignite.ledger} == {
        f"{website.name} {each}" for each in addresses
    }
    assert_explained(writer)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_with_its_exit_code(
    sqlite: SQLite, number: signal.Signals, sandbox: Sandbox
) -> None:
    slow = threading.Event()

    def requested(request: Request) -> bool:
        slow.set()
        return bool(request.target)

    sandbox.adtraction.faults.add(Fault("slow", times=None, delay=5, match=requested))
    settings = {
        "client_token": sandbox.adtraction.client_token,
        "api_url": sandbox.adtraction.url,
        "dry_run": False,
    }
    with Writer(TargetAdtraction, settings, sqlite).start() as process:
        assert process.stdin is not None
        process.stdin.write(wishes("channel_status", [{"channel_id": 1, "approval_status": 1}]))
        process.stdin.close()
        deadline = time.monotonic() + 60
        while not slow.is_set() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(number)

        assert process.wait(timeout=60) == 128 + number
        assert process.stdout is not None
        assert process.stdout.read() == ""
