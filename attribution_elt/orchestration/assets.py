"""Assets for the tables of the jobs' taps, so that Dagster shows them before the first run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import dagster

from attribution_elt.meltano.project import Extractor, Project
from attribution_elt.orchestration.task import name_of

GRACE = timedelta(hours=2)
"""Time after the interval of a schedule before an asset counts as late."""
_ALIASES = {
    "@hourly": timedelta(hours=1),
    "@daily": timedelta(days=1),
    "@midnight": timedelta(days=1),
    "@weekly": timedelta(days=7),
    "@monthly": timedelta(days=31),
    "@yearly": timedelta(days=366),
    "@annually": timedelta(days=366),
}


def assets(project: Project) -> list[dagster.AssetSpec]:
    """Return an asset for each stream of the extractors in the project's jobs."""
    blocks = {block for job in project.jobs for run in job.runs for block in run}
    extractors = [each for name, each in project.extractors.items() if name in blocks]
    intervals = _intervals(project)
    return [spec for each in extractors for spec in _of(each, intervals.get(each.name))]


def _intervals(project: Project) -> dict[str, timedelta]:
    """Return the shortest interval of the schedules of each extractor."""
    jobs = {job.name: job for job in project.jobs}
    found: dict[str, timedelta] = {}
    for schedule in project.schedules:
        if schedule.cron and schedule.job in jobs:
            length = interval(schedule.cron)
            for block in (block for run in jobs[schedule.job].runs for block in run):
                found[block] = min(length, found.get(block, length))
    return found


def interval(cron: str) -> timedelta:
    """Return the approximate maximum time between two runs of a schedule."""
    if cron in _ALIASES:
        return _ALIASES[cron]
    _, hour, day, month, weekday = cron.split()
    if month != "*":
        return timedelta(days=366)
    if day != "*":
        return timedelta(days=31)
    if weekday != "*":
        return timedelta(days=7)
    if hour.startswith("*"):
        return timedelta(hours=int(hour.partition(",")[0].partition("/")[2] or 1))
    return timedelta(days=1)


def _of(extractor: Extractor, length: timedelta | None) -> Iterator[dagster.AssetSpec]:
    policy = dagster.FreshnessPolicy.time_window(fail_window=length + GRACE) if length else None
    streams: Iterable[Any] = extractor.tap.stream_types
    for stream in streams:
        schema = extractor.tap.schemas.get_schema(stream.name)
        yield dagster.AssetSpec(
            [extractor.name, stream.name],
            group_name=name_of(extractor.load_schema) or None,
            description=schema.get("description") or _first_paragraph(stream),
            metadata={"dagster/column_schema": dagster.TableSchema(list(_columns(schema)))},
            kinds={"table"},
            freshness_policy=policy,
        )


def _first_paragraph(stream: type) -> str:
    return (stream.__doc__ or stream.__name__).partition("\n\n")[0]


def _columns(schema: Mapping[str, Any]) -> Iterator[dagster.TableColumn]:
    for name, column in schema["properties"].items():
        types = [each for each in column.get("type", ()) if each != "null"]
        kind = column.get("format") or (types[0] if types else "any")
        yield dagster.TableColumn(name, kind, column.get("description"))
