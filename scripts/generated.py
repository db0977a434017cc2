"""Generated files: written, or compared with `--check`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent


def write(texts: Mapping[Path, str], script: str) -> None:
    """Write files that differ; with `--check`, exit with their names instead."""
    outdated = [
        path
        for path, text in texts.items()
        if not path.is_file() or path.read_text("utf-8") != text
    ]
    if outdated and "--check" in sys.argv[1:]:
        names = ", ".join(str(path.relative_to(ROOT)) for path in outdated)
        sys.exit(f"{names}: out of date, run `python scripts/{script}.py`")
    for path in outdated:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(texts[path], encoding="utf-8")
