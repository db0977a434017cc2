"""The jobs and schedules of `meltano.yml`, cut into what can be run on its own."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from attribution_elt.core.errors import OpsError

Blocks = tuple[str, ...]
"""What one `meltano run` runs, such as a tap and a loader."""
NOT_BY_THE_CLOCK = {None, "@once", "@manual", "@none"}
"""Intervals of Meltano's schedules that no clock starts."""


@dataclass(frozen=True)
class Job:
    """A job of the project.

    Attributes:
        name: as `meltano.yml` has it.
        chains: for each of its tasks, what is to be run one after the other.
    """

    name: str
    chains: Sequence[Sequence[Blocks]]

    @classmethod
    def of(cls, entry: Mapping[str, Any], extractors: Container[str]) -> Job:
        """Read an entry of `jobs`; a new run begins with each of the extractors."""
        tasks = entry["tasks"]
        each = [tasks] if isinstance(tasks, str) else tasks
        return cls(entry["name"], [list(_runs(_blocks(task), extractors)) for task in each])


@dataclass(frozen=True)
class Schedule:
    """A schedule of the project.

    Attributes:
        name: as `meltano.yml` has it.
        cron: when, in UTC, as cron writes it; None: only when somebody says so.
        job: name of the job.
        variables: of the environment of its runs.
    """

    name: str
    cron: str | None
    job: str
    variables: Mapping[str, str] = field(repr=False)

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Schedule:
        """Read an entry of `schedules`.

        Raises:
            OpsError: it names no job.
        """
        if not entry.get("job"):
            raise OpsError(
                f"the schedule {entry['name']!r} of meltano.yml names an extractor and a loader: "
                "make a job of them, and name that"
            )
        interval = entry.get("interval")
        cron = None if interval in NOT_BY_THE_CLOCK else str(interval)
        return cls(entry["name"], cron, entry["job"], entry.get("env", {}))


def _blocks(task: str | Iterable[str]) -> list[str]:
    lines = [task] if isinstance(task, str) else task
    return [block for line in lines for block in line.split()]


def _runs(blocks: Iterable[str], extractors: Container[str]) -> Iterator[Blocks]:
    run: list[str] = []
    for block in blocks:
        if block in extractors and run:
            yield tuple(run)
            run = []
        run.append(block)
    if run:
        yield tuple(run)
