"""Meltano, through its own command line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attribution_elt.core.errors import OpsError


class Meltano:
    """Runs Meltano's commands in the project that the working folder is in.

    Args:
        environment: one of the project's; None: its default, where a command has one.
    """

    def __init__(self, environment: str | None = None) -> None:
        self.environment = environment

    def command(self, *arguments: str) -> list[str]:
        """Return a command line of which every line of the log is a JSON object."""
        chosen = [f"--environment={self.environment}"] if self.environment else []
        # not as a logging.yaml of the project says, for we could not read that
        log = [f"--log-config={os.devnull}", "--log-format=json"]
        return [executable("meltano"), *log, *chosen, *arguments]

    def ask(self, *arguments: str, variables: Mapping[str, str] | None = None) -> str:
        """Return what a command prints.

        Raises:
            OpsError: it failed; the text is Meltano's own reason.
        """
        done = subprocess.run(  # noqa: S603 - our own command line
            self.command(*arguments),
            env={**os.environ, **(variables or {})},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise OpsError(f"meltano {arguments[0]}: {reason(done.stderr.splitlines())}")
        return done.stdout

    def ask_json(self, *arguments: str, variables: Mapping[str, str] | None = None) -> Any:
        """Return the JSON document that a command prints.

        Raises:
            OpsError: as `ask`, or what it prints is none.
        """
        printed = self.ask(*arguments, variables=variables)
        try:
            return json.loads(printed)
        except ValueError:
            raise OpsError(f"meltano {arguments[0]} printed no JSON") from None


def executable(name: str) -> str:
    """Return the path of a command: as the shell finds it, or beside this Python.

    Raises:
        OpsError: it is in neither place.
    """
    found = shutil.which(name) or shutil.which(name, path=Path(sys.executable).parent)
    if found is None:
        raise OpsError(f"there is no `{name}` on the PATH: pip install {name}")
    return found


def log_record(line: str) -> dict[str, Any] | None:
    """Return a line of Meltano's log; None if it is something else."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and "event" in record else None


def reason(lines: Sequence[str]) -> str:
    """Return the last line, of a log and what else was printed, that says why a command failed."""
    for line in reversed(lines):
        record = log_record(line)
        if record is not None and record.get("level") in {"error", "critical"}:
            return str(record["event"]).splitlines()[0]
        if record is None and line.startswith("Error: "):
            return line.removeprefix("Error: ")
    return "it failed without a reason"
