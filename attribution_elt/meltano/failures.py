"""Writes failures of taps to the table `_runs`; taps do not report them to the loader."""

# ruff: noqa: S608 - identifiers and literals are quoted, and nothing else is put into SQL

from __future__ import annotations

from contextlib import closing

from target_warehouse.warehouses.base import Adapter
from target_warehouse.warehouses.registry import connect

from attribution_elt.core.errors import in_a_line
from attribution_elt.core.events import RUNS
from attribution_elt.meltano.display import Display
from attribution_elt.meltano.outcome import Outcome
from attribution_elt.meltano.project import Project
from attribution_elt.meltano.run_log import Pipeline

ELSEWHERE = "units of other streams failed"
"""Message of a stream that is incomplete only because the run is incomplete."""
LONGEST = 2000
"""Maximum number of characters of a message."""


def record_failures(project: Project, outcome: Outcome, display: Display) -> None:
    """Write the failures of a run to `_runs`; if that is impossible, the display shows why."""
    for pipeline in outcome.log.pipelines.values():
        if not pipeline.streams or not pipeline.complaints:
            continue
        try:
            _record(project, outcome.run_id, pipeline)
        except Exception as error:  # noqa: BLE001 - each driver has its own
            display.note(f"failures could not be written to {RUNS}: {in_a_line(error)}")


def _record(project: Project, run_id: str, pipeline: Pipeline) -> None:
    loader = project.loaders.get(pipeline.loader)
    if loader is None:
        return
    schema = loader.schema_of(project.load_schemas[pipeline.tap])
    with closing(connect(loader.url, schema)) as adapter:
        if adapter.columns(RUNS):
            for stream in pipeline.streams:
                adapter.execute(_update(adapter, run_id, stream, pipeline))
            adapter.commit()


def _update(adapter: Adapter, run_id: str, stream: str, pipeline: Pipeline) -> str:
    """Return the statement that adds a tap's failures to the row of a stream."""
    literal = adapter.dialect.literal
    units = [text for text, streams in pipeline.failed_units if stream in streams or not streams]
    lines = [*pipeline.failures, *units]
    complete = ", complete = FALSE" if lines else ""
    lines += pipeline.load_failures
    message = literal("\n".join(lines)[:LONGEST])
    if not lines:  # the loader's own message is kept
        message = f"COALESCE(message, {literal(ELSEWHERE)})"
    return (
        f"UPDATE {adapter.path(RUNS)} SET failed_units = {len(units)}, message = {message}"
        f"{complete} WHERE run_id = {literal(run_id)} AND stream = {literal(stream)}"
    )
