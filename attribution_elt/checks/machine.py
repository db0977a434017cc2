"""Checks of the machine."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from attribution_elt.checks.findings import Finding

ROOM = 1 << 30
"""Free bytes needed for responses in temporary files: several at a time, of up to 100 MB."""


def finding(private: Iterable[Path] = ()) -> Finding:
    """Check that responses can be written to temporary files, and who can read private files."""
    found = Finding("this machine")
    if readable := [str(each) for each in private if _is_readable_by_others(each)]:
        names = " ".join(readable)
        found.facts.append(f"others can read {', '.join(readable)}: chmod go= {names}")
    try:
        folder = tempfile.gettempdir()
        with tempfile.TemporaryFile() as file:
            file.write(b"\0")
        free = shutil.disk_usage(folder).free
    except OSError as error:
        problem = f"no temporary file can be written ({error}): set TMPDIR"
        found.problems.append(problem)
        return found
    room = f"{free / (1 << 30):.1f} GiB free in {folder}"
    if free < ROOM:
        found.problems.append(f"{room}, too little for responses: make room or set TMPDIR")
    else:
        found.facts.append(room)
    return found


def _is_readable_by_others(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & 0o044)
    except OSError:
        return False
