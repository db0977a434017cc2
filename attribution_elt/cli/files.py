"""Writes the files of commands."""

from __future__ import annotations

import os
from pathlib import Path

from attribution_elt.core.errors import OpsError


def replace(output: Path, text: str) -> None:
    """Replace a file at once, so that nobody reads a part of it, and a full disk keeps the old one.

    Raises:
        OpsError: the file cannot be written.
    """
    part = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        if output.is_symlink() or (output.exists() and not output.is_file()):  # such as /dev/stdout
            output.write_text(text, encoding="utf-8")
            return
        part.write_text(text, encoding="utf-8")
        part.replace(output)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OpsError(f"{output} cannot be written: {error.strerror}") from None
