"""Checks of the machine."""

from __future__ import annotations

import shutil
import tempfile

from attribution_elt.checks.findings import Finding

ROOM = 1 << 30
"""Free bytes needed for responses in temporary files: several at a time, of up to 100 MB."""


def finding() -> Finding:
    """Check that responses can be written to temporary files."""
    found = Finding("this machine")
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
