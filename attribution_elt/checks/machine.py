"""The machine that runs are on."""

from __future__ import annotations

import shutil
import tempfile

from attribution_elt.checks.findings import Finding

ROOM = 1 << 30
"""Bytes for the answers that wait there, several at once, of up to some 100 MB."""


def finding() -> Finding:
    """Look whether answers can be spooled: written to temporary files until they are whole."""
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
        found.problems.append(f"{room}, too little for answers to wait in: make room or set TMPDIR")
    else:
        found.facts.append(room)
    return found
