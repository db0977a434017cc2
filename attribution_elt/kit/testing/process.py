"""Runs a tap, as a process or in this process, and parses its output."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

from attribution_elt.kit.errors import PluginError
from attribution_elt.kit.tap import VendorTap

Row = dict[str, Any]
Rows = dict[tuple[Any, ...], Row]


@dataclass(frozen=True)
class Output:
    """Output and exit code of a run."""

    stdout: bytes
    stderr: str = ""
    code: int = 0

    @cached_property
    def messages(self) -> list[dict[str, Any]]:
        """The messages of all complete lines; a kill may have cut off the last line."""
        lines = self.stdout.splitlines(keepends=True)
        return [json.loads(line, parse_float=Decimal) for line in lines if line.endswith(b"\n")]

    def of(self, kind: str, stream: str | None = None) -> list[dict[str, Any]]:
        """Return the messages of a type, of one stream or of all."""
        return [
            message
            for message in self.messages
            if message["type"] == kind and stream in {None, message.get("stream")}
        ]

    def records(self, stream: str) -> list[Row]:
        """Return the records of a stream."""
        return [message["record"] for message in self.of("RECORD", stream)]

    def rows(self, stream: str) -> Rows:
        """The last record of each key, as a warehouse stores them."""
        schemas = self.of("SCHEMA", stream)
        keys = schemas[0]["key_properties"] if schemas else []
        return {tuple(row[key] for key in keys): row for row in self.records(stream)}

    @property
    def states(self) -> list[dict[str, Any]]:
        """The values of all STATE messages."""
        return [message["value"] for message in self.of("STATE")]

    @property
    def errors(self) -> list[str]:
        """Lines of standard error at level ERROR."""
        return [line for line in self.stderr.splitlines() if "| ERROR" in line]

    @property
    def warnings(self) -> list[str]:
        """Lines of standard error at level WARNING."""
        return [line for line in self.stderr.splitlines() if "| WARNING" in line]


def command(folder: Path, name: str, *arguments: str, **documents: Any) -> list[str]:
    """Return the command line of a console script; each document becomes a file and an option."""
    given = [str(Path(sys.executable).with_name(name)), *arguments]
    for option, document in documents.items():
        if document is not None:
            path = folder / f"{option}.json"
            path.write_text(json.dumps(document))
            given += [f"--{option}", str(path)]
    return given


def environment(level: str) -> dict[str, str]:
    """Return this process's environment with a log level and without settings of taps."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TAP_")}
    return {**inherited, "LOGLEVEL": level}


def run(
    folder: Path,
    name: str,
    *arguments: str,
    level: str = "INFO",
    timeout: float = 180,
    **given: Any,
) -> Output:
    """Run a console script until it ends; `given` are its config, state and catalog."""
    done = subprocess.run(  # noqa: S603 - an executable of our own
        command(folder, name, *arguments, **given),
        capture_output=True,
        timeout=timeout,
        check=False,
        env=environment(level),
    )
    return Output(done.stdout, done.stderr.decode(), done.returncode)


def killed(folder: Path, name: str, after: Callable[[bytes], bool], **given: Any) -> Output:
    """Run a console script and kill it (SIGKILL) after the first line for which `after` is true.

    The output includes the rest of the pipe, as a loader would receive it.
    """
    process = subprocess.Popen(  # noqa: S603 - an executable of our own
        command(folder, name, **given),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment("INFO"),
    )
    with process, process.stdout or io.BytesIO() as pipe:
        lines = []
        for line in pipe:
            lines.append(line)
            if after(line):
                process.kill()
                break
        lines += pipe.readlines()
    return Output(b"".join(lines), code=process.returncode)


def run_here(
    tap_type: Callable[..., VendorTap],
    config: Mapping[str, Any],
    *,
    state: Mapping[str, Any] | None = None,
    catalog: Mapping[str, Any] | None = None,
) -> Output:
    """Run a tap in this process; its standard error has a line for each failure."""
    pipe = io.BytesIO()
    with redirect_stdout(io.TextIOWrapper(pipe)):
        tap = tap_type(
            config=dict(config),
            state=json.loads(json.dumps(state or {})),
            catalog=dict(catalog) if catalog is not None else None,
        )
        failures: list[PluginError] = []
        try:
            tap.sync_all()
        except PluginError as error:
            failures.append(error)
        written = pipe.getvalue()
    failures += tap.run.failures
    stderr = "".join(f"{each}\n" for each in failures)
    return Output(written, stderr, 1 if failures else 0)


def selected(
    tap: VendorTap, streams: Iterable[str], *, without: Iterable[str] = ()
) -> dict[str, Any]:
    """Return a tap's catalog with only these streams selected, without these properties."""
    document: dict[str, Any] = json.loads(json.dumps(tap.catalog_dict))
    wanted, unwanted = set(streams), set(without)
    for entry in document["streams"]:
        for each in entry["metadata"]:
            if not each["breadcrumb"]:
                each["metadata"]["selected"] = entry["tap_stream_id"] in wanted
            elif each["breadcrumb"][-1] in unwanted:
                each["metadata"]["selected"] = False
    return document


def merged(*states: Mapping[str, Any]) -> dict[str, Any]:
    """Return states merged as Meltano does: dictionaries are merged, all else is replaced."""
    result: dict[str, Any] = {}
    for state in states:
        for name, value in state.items():
            held = result.get(name)
            inner = (held if isinstance(held, dict) else {}, value)
            result[name] = merged(*inner) if isinstance(value, dict) else value
    return result


def lists_in(value: Any) -> bool:
    """Return whether a state contains a list, which Meltano would replace instead of merging."""
    if isinstance(value, dict):
        return any(lists_in(inner) for inner in value.values())
    return isinstance(value, list)
