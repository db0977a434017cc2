"""Ten thousand journeys: no request too many, and no more memory than for a thousand."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from sandbox.ihc import Ihc
from tests.ihc.helpers import (
    expected,
    file_of,
    forget,
    holds,
    run_here,
    sent,
    settings,
    some,
)
from tests.tap_process import Output, command, environment


def measured(folder: Path, config: dict[str, Any]) -> tuple[Path, float]:
    """Run the tap; where it has written to, and the most memory it held, in MB."""
    written = folder / "written.jsonl"
    with written.open("wb") as stdout:
        process = subprocess.Popen(
            command(folder, "tap-ihc", config=config),
            stdout=stdout,
            stderr=subprocess.DEVNULL,
            env=environment("WARNING"),
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return written, usage.ru_maxrss / 1024


def test_ten_thousand_journeys_take_no_request_too_many_and_no_more_memory(
    vendor: Ihc, tmp_path: Path
) -> None:
    _, small = measured(tmp_path, settings(vendor, file_of(tmp_path / "few.jsonl", some(1000))))
    forget(vendor)
    rows = some(10_000)
    path = file_of(tmp_path / "j.jsonl", rows)
    written, large = measured(tmp_path, settings(vendor, path))
    assert large < small * 1.3
    fewest = max(10_000 / 100, len(rows) / 3000)
    assert fewest <= len(sent(vendor)) <= fewest * 1.02
    assert set(vendor.journeys_computed.values()) == {1}
    assert vendor.split_journeys == set()
    lines = written.read_bytes().splitlines(keepends=True)
    assert sum(line.startswith(b'{"type":"RECORD"') for line in lines) == len(rows)
    state = Output(lines[-1]).states[-1]
    assert len(json.dumps(state)) < 130_000

    forget(vendor)
    touched = rows[:: len(rows) // 37][:37]
    for row in touched:
        row["channel_label"] += " (changed)"
    again = run_here(settings(vendor, file_of(path, rows)), state=state)
    conversions = {row["conversion_id"] for row in touched}
    assert sent(vendor) == [conversions]
    changed = [row for row in rows if row["conversion_id"] in conversions]
    assert holds(again.rows("attributions"), expected(vendor, changed))
