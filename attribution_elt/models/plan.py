"""The order in which models are built, and which of them are left out."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter

from attribution_elt.core.errors import OpsError
from attribution_elt.models.folder import Folder
from attribution_elt.models.rendering import Rendered, Renderer
from attribution_elt.models.tables import Tables, streams_of


@dataclass(frozen=True)
class Plan:
    """The models in the order in which they are built."""

    order: list[str]
    left_out: dict[str, str]
    """Models that are not built, with the reason."""
    seeds: list[str]
    parsed: dict[str, Rendered] = field(repr=False)
    missing: dict[str, list[str]]
    """Tables that models would read but that do not exist, by source."""


def plan(folder: Folder, renderer: Renderer, tables: Tables) -> Plan:
    """Order the models of a folder.

    A model is left out if none of the tables exists that it reads, directly or through other
    models, or if a model is left out that it requires.

    Raises:
        OpsError: a model is not valid, refers to one that does not exist, or to itself.
    """
    parsed = {
        name: renderer.render(name, model.text, lambda ref: ref)
        for name, model in folder.models.items()
    }
    known = parsed.keys() | folder.seeds.keys()
    for name, each in parsed.items():
        for ref in (*each.refs, *each.requires):
            if ref not in known:
                raise OpsError(f"the model {name} refers to {ref}, which does not exist")
    needs = {name: {*each.refs, *each.requires} & parsed.keys() for name, each in parsed.items()}
    try:
        order = list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        raise OpsError(f"models refer to each other: {' > '.join(error.args[1])}") from None
    left_out: dict[str, str] = {}
    sources: dict[str, set[tuple[str, str]]] = {}
    for name in order:
        each = parsed[name]
        sources[name] = set(each.sources).union(*(sources[ref] for ref in needs[name]))
        required = [ref for ref in each.requires if ref in left_out]
        if not any(tables.has(*source) for source in sources[name]):
            left_out[name] = "none of its tables exists"
        elif required:
            left_out[name] = f"it needs {required[0]}"
    read = {source for each in parsed.values() for source in each.sources}
    missing: dict[str, list[str]] = {}
    for source, table in sorted(read):
        if not tables.has(source, table) and table in streams_of(source):
            missing.setdefault(source, []).append(table)
    built = [name for name in order if name not in left_out]
    seeds = sorted({ref for name in built for ref in parsed[name].refs} & folder.seeds.keys())
    return Plan(built, left_out, seeds, parsed, missing)


def select(plan_: Plan, folder: Folder, wanted: Iterable[str]) -> list[str]:
    """Return the models to build, in order.

    Args:
        plan_: all models.
        folder: the folder of the models.
        wanted: names of models or of folders under `models/`; `+` before a name adds the models
        that it reads, `+` after it those that read it. If empty, all models.

    Raises:
        OpsError: a name is unknown.
    """
    reads = {name: set(each.refs) for name, each in plan_.parsed.items()}
    read_by = {name: {other for other in reads if name in reads[other]} for name in reads}
    chosen: set[str] = set()
    for text in wanted:
        name = text.strip("+")
        layer = {each.name for each in folder.models.values() if name in each.folders}
        found = {name} if name in folder.models else layer
        if not found:
            raise OpsError(f"the model {name!r} does not exist")
        chosen |= found
        if text.startswith("+"):
            chosen |= _reached(found, reads)
        if text.endswith("+"):
            chosen |= _reached(found, read_by)
    return [name for name in plan_.order if not chosen or name in chosen]


def _reached(start: Collection[str], steps: dict[str, set[str]]) -> set[str]:
    reached: set[str] = set()
    waiting = list(start)
    while waiting:
        for name in steps.get(waiting.pop(), set()) - reached:
            reached.add(name)
            waiting.append(name)
    return reached
