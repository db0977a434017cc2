"""The table `_runs`: what each load did, which the loader writes and we complete.

The loader cannot know what became of the tap: which units failed, and whether it came to its end.
"""

# ruff: noqa: S608 - identifiers and literals are quoted, and nothing else is put into SQL

from __future__ import annotations

from target_warehouse.warehouses.base import Adapter
from target_warehouse.warehouses.registry import connect

from attribution_elt.cli.display import Display
from attribution_elt.core.errors import in_a_line
from attribution_elt.core.events import RUNS
from attribution_elt.meltano.execution import Outcome
from attribution_elt.meltano.project import Project
from attribution_elt.meltano.run_log import Pipeline

LONGEST = 2000
"""Characters of a message that are kept."""


def complete(project: Project, outcome: Outcome, display: Display) -> None:
    """Note in the warehouse what the taps failed at; if that cannot be done, it is only said."""
    for pipeline in outcome.watch.pipelines.values():
        if not pipeline.streams or not (pipeline.failures or pipeline.failed_units):
            continue
        try:
            _note(project, outcome.run_id, pipeline)
        except Exception as error:  # noqa: BLE001 - each driver has its own
            display.say(f"what failed could not be noted in {RUNS}: {in_a_line(error)}")


def _note(project: Project, run_id: str, pipeline: Pipeline) -> None:
    loader = project.loaders.get(pipeline.loader)
    if loader is None:
        return
    adapter = connect(loader.url, loader.schema_of(project.extractor(pipeline.tap)))
    try:
        if adapter.columns(RUNS):
            for stream in pipeline.streams:
                adapter.execute(_update(adapter, run_id, stream, pipeline))
            adapter.commit()
    finally:
        adapter.close()


def _update(adapter: Adapter, run_id: str, stream: str, pipeline: Pipeline) -> str:
    """Return the statement that stores the errors of a stream's tap."""
    literal = adapter.dialect.literal  # messages quote the vendor
    units = [text for text, streams in pipeline.failed_units if stream in streams or not streams]
    lines = [*pipeline.failures, *units]
    message = literal("\n".join(lines)[:LONGEST]) if lines else "NULL"
    incomplete = ", complete = FALSE" if lines else ""
    return (
        f"UPDATE {adapter.path(RUNS)} "
        f"SET failed_units = {len(units)}, message = {message}{incomplete} "
        f"WHERE run_id = {literal(run_id)} AND stream = {literal(stream)}"
    )
