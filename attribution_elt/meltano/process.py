"""Meltano's command line."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from attribution_elt.core.errors import OpsError
from attribution_elt.core.runtime import exit_code, handling

PRIVATE = 0o077
"""File mode mask: Meltano and its plugins create files with settings, state and data."""


class Meltano:
    """Runs Meltano's commands in the project of the working folder.

    Args:
        environment: name of an environment.
        env_file: the file of variables that Meltano reads instead of `.env`.
    """

    def __init__(self, environment: str, env_file: Path | None = None) -> None:
        self.environment = environment
        self.env_file = env_file

    def command(self, *arguments: str) -> list[str]:
        """Return a command line whose log is in JSON, one object per line."""
        variables = [f"--env-file={self.env_file}"] if self.env_file else []
        # without the project's logging.yaml, whose format may be another one
        log = [f"--log-config={os.devnull}", "--log-format=json"]
        chosen = f"--environment={self.environment}"
        return [executable("meltano"), *log, chosen, *variables, *arguments]

    def ask(self, *arguments: str, variables: Mapping[str, str] | None = None) -> str:
        """Return the output of a command.

        Raises:
            OpsError: the command failed; the text is the reason that Meltano gives.
        """
        try:
            with _ending_at_signals():
                done = subprocess.run(  # noqa: S603 - our own command line
                    self.command(*arguments),
                    env={**os.environ, **(variables or {})},
                    capture_output=True,
                    text=True,
                    check=False,
                    umask=PRIVATE,
                )
        except OSError as error:
            raise OpsError(f"meltano {arguments[0]} cannot be started: {error.strerror}") from None
        if done.returncode:
            raise OpsError(f"meltano {arguments[0]}: {reason(done.stderr.splitlines())}")
        return done.stdout

    def ask_json(self, *arguments: str) -> Any:
        """Return the JSON document that a command prints.

        Raises:
            OpsError: the command failed, or its output is not JSON.
        """
        printed = self.ask(*arguments)
        try:
            return json.loads(printed)
        except ValueError:
            raise OpsError(f"the output of meltano {arguments[0]} is not JSON") from None


@contextmanager
def secret_folder() -> Iterator[Path]:
    """Yield a temporary folder for secrets; remove those that killed processes have left behind."""
    prefix = "attribution-elt-manifest-"
    for folder in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        number = folder.name.removeprefix(prefix).partition("-")[0]
        try:
            os.kill(int(number), 0)
        except (ValueError, ProcessLookupError):
            shutil.rmtree(folder, ignore_errors=True)
        except PermissionError:  # the process belongs to another user
            continue
    with tempfile.TemporaryDirectory(prefix=f"{prefix}{os.getpid()}-") as name:
        yield Path(name)


def _ending_at_signals() -> AbstractContextManager[None]:
    """Raise an exception at a signal, which ends Meltano and removes files with secrets.

    Other code keeps the usual handlers: DuckDB replaces an exception that comes during a query.
    """
    if threading.current_thread() is not threading.main_thread():
        return nullcontext()
    return handling((signal.SIGINT, signal.SIGTERM), lambda number, _: sys.exit(exit_code(number)))


def executable(name: str) -> str:
    """Return the path of a command: on the PATH, or in the folder of this Python.

    Raises:
        OpsError: the command does not exist in either place.
    """
    found = shutil.which(name) or shutil.which(name, path=Path(sys.executable).parent)
    if found is None:
        raise OpsError(f"the command `{name}` is not on the PATH: pip install {name}")
    return found


def log_record(line: str) -> dict[str, Any] | None:
    """Return a parsed line of Meltano's log; None if the line is something else."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and "event" in record else None


def installation_failure(record: Mapping[str, Any]) -> str | None:
    """Return why a plugin could not be installed; None if the record reports something else."""
    state = record.get("install_state") or {}
    if state.get("status") != "error":
        return None
    details = [line.strip() for line in str(state.get("details") or "").splitlines()]
    cause = "; ".join([line for line in details if line][-5:]) or state.get("message")
    return f"{state.get('plugin_name')} could not be installed: {cause}"


def reason(lines: Sequence[str]) -> str:
    """Return the line of a command's output that names the reason of its failure."""
    for failure in map(installation_failure, filter(None, map(log_record, lines))):
        if failure is not None:
            return failure
    for line in reversed(lines):
        record = log_record(line)
        if record is not None and record.get("level") in {"error", "critical"}:
            return " ".join(str(record["event"]).split())
        if record is None and line.startswith("Error: "):
            return line.removeprefix("Error: ")
    return "it failed without a message"
