"""The jobs and schedules of `meltano.yml`, divided into runs."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from attribution_elt.core.errors import OpsError

Blocks = tuple[str, ...]
"""The blocks of one `meltano run`, such as a tap and a loader."""
Chain = Sequence[Blocks]
"""Consecutive runs, each of which needs the data of those before it."""
WITHOUT_CLOCK = {None, "@once", "@manual", "@none"}
"""Intervals of Meltano's schedules that no clock triggers."""


@dataclass(frozen=True)
class Job:
    """A job of the project.

    Attributes:
        tasks: the chain of runs of each task.
    """

    name: str
    tasks: Sequence[Chain]

    @classmethod
    def of(cls, entry: Mapping[str, Any], extractors: Container[str]) -> Job:
        """Read an entry of `jobs`."""
        tasks = entry["tasks"]
        each = [tasks] if isinstance(tasks, str) else tasks
        return cls(entry["name"], [chain_of(_blocks(task), extractors) for task in each])

    @property
    def runs(self) -> list[Blocks]:
        """The runs of all tasks."""
        return [blocks for chain in self.tasks for blocks in chain]


@dataclass(frozen=True)
class Schedule:
    """A schedule of the project.

    Attributes:
        cron: cron expression in UTC; None if no clock triggers it.
        variables: environment variables of its runs.
    """

    name: str
    cron: str | None
    job: str
    variables: Mapping[str, str] = field(repr=False)

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Schedule:
        """Read an entry of `schedules`.

        Raises:
            OpsError: the entry does not name a job.
        """
        if not entry.get("job"):
            raise OpsError(
                f"the schedule {entry['name']!r} of meltano.yml names an extractor and a loader: "
                "define a job with both, and name the job"
            )
        interval = entry.get("interval")
        cron = None if interval in WITHOUT_CLOCK else str(interval)
        variables = {
            name: value if isinstance(value, str) else json.dumps(value)
            for name, value in entry.get("env", {}).items()
        }
        return cls(entry["name"], cron, entry["job"], variables)


def _blocks(task: str | Iterable[str]) -> list[str]:
    lines = [task] if isinstance(task, str) else task
    return [block for line in lines for block in line.split()]


def chain_of(blocks: Iterable[str], extractors: Container[str]) -> Chain:
    """Divide blocks into runs: each extractor begins a new run."""
    return list(_runs(blocks, extractors))


def _runs(blocks: Iterable[str], extractors: Container[str]) -> Iterator[Blocks]:
    run: list[str] = []
    for block in blocks:
        if block in extractors and run:
            yield tuple(run)
            run = []
        run.append(block)
    if run:
        yield tuple(run)
