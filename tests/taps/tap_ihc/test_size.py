"""Ten thousand journeys take the fewest requests and the memory of a thousand."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

from tap_ihc.journeys import Journeys

from attribution_elt.sandbox.ihc import Ihc
from tests.tap_process import Output, command, environment
from tests.taps.tap_ihc.helpers import (
    expected,
    file_of,
    forget,
    matches_truth,
    run_here,
    sent,
    settings,
    some,
)

# a process counts the memory of the one that started it, so that has to be a small one
MEASURE = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[2:], stderr=subprocess.DEVNULL).returncode
with open(sys.argv[1], "w") as file:
    print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024, file=file)
"""


def measured(folder: Path, config: dict[str, Any]) -> tuple[Path, int]:
    """Run the tap; return the path of its output and its peak memory in MB."""
    written, result = folder / "written.jsonl", folder / "result"
    tap = command(folder, "tap-ihc", config=config)
    with written.open("wb") as stdout:
        subprocess.run(
            [sys.executable, "-c", MEASURE, str(result), *tap],
            stdout=stdout,
            env=environment("WARNING"),
            check=True,
        )
    code, peak = map(int, result.read_text().split())
    assert code == 0
    return written, peak


def test_sessions_without_number_that_have_no_conversion_take_no_memory() -> None:
    row = {**some(1)[0], "conversion_id": None}
    tracemalloc.start()
    journeys = Journeys(itertools.repeat(row, 20_000), "")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    (only,) = journeys
    assert only.fault == "conversion_id is missing (and of 19999 other sessions)"
    assert peak < 8e6


def test_ten_thousand_journeys_need_the_fewest_requests_and_no_more_memory(
    vendor: Ihc, tmp_path: Path
) -> None:
    _, small = measured(tmp_path, settings(vendor, file_of(tmp_path / "few.jsonl", some(1000))))
    forget(vendor)
    rows = some(10_000)
    path = file_of(tmp_path / "j.jsonl", rows)
    written, large = measured(tmp_path, settings(vendor, path))
    assert large < small * 1.25
    fewest = max(10_000 / 100, len(rows) / 3000)
    assert fewest <= len(sent(vendor)) <= fewest * 1.02
    assert set(vendor.journeys_computed.values()) == {1}
    assert vendor.split_journeys == set()
    lines = written.read_bytes().splitlines(keepends=True)
    others = [line for line in lines if not line.startswith(b'{"type":"RECORD"')]
    assert len(lines) - len(others) == len(rows)
    state = Output(b"".join(others)).states[-1]
    assert len(json.dumps(state)) < 130_000

    forget(vendor)
    touched = rows[:: len(rows) // 37][:37]
    for row in touched:
        row["channel_label"] += " (changed)"
    again = run_here(settings(vendor, file_of(path, rows)), state=state)
    conversions = {row["conversion_id"] for row in touched}
    assert sent(vendor) == [conversions]
    changed = [row for row in rows if row["conversion_id"] in conversions]
    assert matches_truth(again.rows("attributions"), expected(vendor, changed))
