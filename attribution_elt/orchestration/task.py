"""Dagster's op for one run of `attribution-elt`, as a separate process."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import environ
from typing import Any

import dagster

from attribution_elt.meltano.process import executable
from attribution_elt.meltano.project import Project
from attribution_elt.meltano.run_log import COUNTS
from attribution_elt.meltano.schedules import Blocks

SCHEDULE = "meltano/schedule"
"""The tag with the schedule of `meltano.yml` that started a run."""
WORTH_A_LOOK = {"warning", "drift", "days_lost", "unit_failed", "run_failed", "error"}
"""Kinds of events that go into Dagster's log; the others are only in the task's output."""
FAILED = 1
"""The exit code of a failed run. Others mean a signal or a wrong argument: no retry."""


@dataclass
class _Ending:
    """The end of a run's output.

    Attributes:
        summary: the last event; empty if the run ended without one.
        last: the last line that is not an event.
    """

    summary: Mapping[str, Any] = field(default_factory=dict)
    last: str = ""

    def reasons(self, exit_code: int) -> Sequence[str]:
        """Return the failures, one per line."""
        return self.summary.get("failures") or [self.last or f"exit code {exit_code}"]


def name_of(*parts: str) -> str:
    """Return a name of ASCII letters, digits and underscores, as Dagster requires."""
    return re.sub(r"\W", "_", "_to_".join(parts), flags=re.ASCII)


def account_of(project: Project, extractor: str) -> str:
    """Return the first extractor with the same credentials: both use one quota."""
    own = project.extractors.get(extractor)
    if own is None:
        return extractor

    def credentials(settings: Mapping[str, Any]) -> list[Any]:
        return [settings.get(name) for name in own.tap.credentials]

    return next(
        each.name
        for each in project.extractors.values()
        if each.tap is own.tap and credentials(each.settings) == credentials(own.settings)
    )


def task(project: Project, blocks: Blocks, retry: dagster.RetryPolicy) -> dagster.OpDefinition:
    """Return the op that runs these blocks; ops of one account do not run at the same time."""
    schedules = {each.name: each.variables for each in project.schedules}
    command = [
        executable("attribution-elt"),
        f"--environment={project.environment}",
        *("run", "--no-failure-alert", *blocks),
    ]

    @dagster.op(
        name=name_of(*blocks),
        description=f"attribution-elt run {' '.join(blocks)}",
        ins={"after": dagster.In(dagster.Nothing)},
        out=dagster.Out(dagster.Nothing),
        retry_policy=retry,
        pool=account_of(project, blocks[0]),
    )
    def run(context: dagster.OpExecutionContext) -> None:
        variables = schedules.get(context.run_tags.get(SCHEDULE, ""), {})
        exit_code, ending = _execute(context, command, variables)
        known = {"exit_code": exit_code, "run_id": ending.summary.get("run_id", "")}
        if exit_code:
            raise dagster.Failure(
                "\n".join(ending.reasons(exit_code)), known, allow_retries=exit_code == FAILED
            )
        for stream in ending.summary["streams"]:
            counts = {name: stream[name] for name in COUNTS if stream.get(name) is not None}
            key = dagster.AssetKey([stream["tap"], stream["stream"]])
            context.log_event(dagster.AssetMaterialization(key, metadata={**known, **counts}))

    return run


def _execute(
    context: dagster.OpExecutionContext, command: Sequence[str], variables: Mapping[str, str]
) -> tuple[int, _Ending]:
    """Run a command and copy its output; after a stop, it may still finish its load."""
    ending = _Ending()
    with subprocess.Popen(  # noqa: S603 - our own command line
        command,
        env={**environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        process_group=0,  # the process gets a terminal's signals once, from this process
    ) as process:
        try:
            for line in process.stdout or ():
                _take(line, ending, context)
        except BaseException:  # Dagster's interruptions are not subclasses of Exception
            process.terminate()
            for line in process.stdout or ():
                sys.stdout.write(line)
            raise
    return process.returncode, ending


def _take(line: str, ending: _Ending, context: dagster.OpExecutionContext) -> None:
    sys.stdout.write(line)
    try:
        event = json.loads(line)
        kind = event["event"]
    except (ValueError, TypeError, KeyError):
        ending.last = line.strip() or ending.last
        return
    if kind == "summary":
        ending.summary = event
    elif kind in WORTH_A_LOOK:
        context.log.warning(event["message"])
