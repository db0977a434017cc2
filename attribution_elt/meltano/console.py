"""Shortens Meltano's output at a terminal; its last line has the cause of a failure.

`logging.yaml` applies this filter to the console alone; `meltano logs show` shows everything.
"""

from __future__ import annotations

import logging
from typing import Any

from typing_extensions import override

from attribution_elt.core.events import FIELD

NOISE = frozenset(
    {
        "Block run completed",
        "Need help fixing this problem?",
        "No state was found, complete import.",
        "Reading state from",
        "Running catalog discovery",
        "Using",
    }
)
"""Beginnings of Meltano's lines that require no action of the user."""
MOST_CAUSES = 3
"""Maximum number of errors of plugins that the last line repeats."""


class ConsoleFilter(logging.Filter):
    """Drops lines that require no action, and tracebacks that follow a plugin's own error."""

    def __init__(self) -> None:
        super().__init__()
        self._causes: list[str] = []

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        fields: dict[str, Any] = record.msg if isinstance(record.msg, dict) else {}
        text = str(fields.get("event", record.msg))
        if record.name.startswith("meltano.plugin."):
            return self._keeps_plugin_line(record, fields, text)
        if record.exc_info or "exc_info" in fields:
            return not self._causes
        if text == "Run completed" and self._causes:
            causes = "\n  ".join(self._causes[:MOST_CAUSES])
            record.msg = {**fields, "event": f"Run failed\n  {causes}", "level": "error"}
            record.levelno, record.levelname = logging.ERROR, "ERROR"
            return True
        if self._causes and text.endswith("failed"):
            return False  # Meltano's "Extractor failed", which the last line explains better
        return not text.lstrip().startswith(tuple(NOISE))

    def _keeps_plugin_line(
        self, record: logging.LogRecord, fields: dict[str, Any], text: str
    ) -> bool:
        if record.levelno >= logging.ERROR or text.startswith("Error"):
            plugin = fields.get("string_id") or record.name.rpartition(".")[2]
            cause = f"{plugin}: {text.removeprefix('Error: ')}"
            if cause not in self._causes:
                self._causes.append(cause)
            record.levelno, record.levelname = logging.ERROR, "ERROR"
            record.msg = {**fields, "event": text, "level": "error"}
            return True
        return record.levelno >= logging.WARNING or FIELD in fields
