"""Runs a target that writes to a vendor, in this process or in a separate one."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sysconfig
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from attribution_elt.kit.errors import PluginError
from attribution_elt.kit.writing.target import WritingTarget
from tests import leaks
from tests.targets.target_warehouse.warehouses import Warehouse, record, schema, singer, state

SCRIPTS = Path(sysconfig.get_path("scripts"))
STATE = {"bookmarks": {"s": {"replication_key_value": "2026-03-31"}}}


def wishes(stream: str, records: Iterable[Mapping[str, Any]], *, whole: bool = True) -> str:
    """Return a tap's output with these records; without its last STATE if not `whole`."""
    lines = [schema(stream, ()), *(record(stream, **each) for each in records)]
    return singer([*lines, state(STATE)] if whole else lines)


@dataclass
class Written:
    """The result of a run of a writing target."""

    states: list[Any]
    error: PluginError | None = None


@dataclass
class Writer:
    """A writing target with its settings, and the warehouse of its outcomes."""

    target: type[WritingTarget]
    settings: dict[str, Any]
    warehouse: Warehouse
    secrets: list[str] = field(default_factory=list)

    def run(self, text: str, **settings: Any) -> Written:
        """Run the target in this process."""
        config = {**self.settings, "outcomes_url": self.warehouse.url, **settings}
        output, error = io.StringIO(), None
        with contextlib.redirect_stdout(output):
            try:
                self.target(config=config).listen(io.StringIO(text))
            except PluginError as raised:
                error = raised
        return Written(list(map(json.loads, output.getvalue().splitlines())), error)

    def start(self, output: int = subprocess.PIPE, **settings: Any) -> subprocess.Popen[str]:
        """Start the executable; its input is open."""
        config = {**self.settings, "outcomes_url": self.warehouse.url, **settings}
        path = self.warehouse.folder / "writer.json"
        path.write_text(json.dumps(config))
        return subprocess.Popen(
            [SCRIPTS / self.target.name, "--config", path],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            text=True,
        )

    def execute(self, text: str, **settings: Any) -> subprocess.CompletedProcess[str]:
        """Run the executable to its end, and search its output for secrets."""
        process = self.start(**settings)
        stdout, stderr = process.communicate(text)
        leaks.guard(stdout, stderr, settings={**self.settings, **settings})
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def outcomes(self, *, final: bool = True) -> dict[str, Any]:
        """Return the outcome of each key in `_writes`: the last one, or all in order."""
        rows = self.warehouse.rows('SELECT "key", "outcome" FROM _writes ORDER BY "at"')
        found: dict[str, list[str]] = {}
        for key, outcome in rows:
            found.setdefault(key, []).append(outcome)
        return {key: each[-1] for key, each in found.items()} if final else dict(found)
