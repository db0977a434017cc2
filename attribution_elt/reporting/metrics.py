"""Metrics of the loads in the text format of Prometheus."""

# ruff: noqa: S608 - identifiers are quoted, and nothing else is put into SQL

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from target_warehouse.warehouses.base import Adapter

from attribution_elt.core.dates import instant
from attribution_elt.core.events import RUNS
from attribution_elt.meltano.project import Loader
from attribution_elt.meltano.warehouse import existing, explained, missing_file, title_of

Labels = Mapping[str, str]
PREFIX = "attribution_elt_"
METRICS = {
    # name without the prefix: type and help
    "warehouse_up": ("gauge", "Whether the loads could be read from the warehouse"),
    "last_run_timestamp_seconds": ("gauge", "End of the last run of a stream"),
    "last_success_timestamp_seconds": ("gauge", "End of the last complete run of a stream"),
    "newest_timestamp_seconds": ("gauge", "Greatest replication key of a stream"),
    "runs_total": ("counter", "Runs of a stream, by result: complete, failed or unknown"),
    "rows_total": (
        "counter",
        "Rows of a stream, by kind: inserted, updated, unchanged, rejected, vanished or revived",
    ),
    "failed_units": ("gauge", "Units that failed in the last run of a stream"),
    "retention_days_left": ("gauge", "Days until the vendor drops data that the next run needs"),
    "quota_requests_left": ("gauge", "Requests left in the quota window of an account"),
}
KINDS = ("inserted", "updated", "unchanged", "rejected", "vanished", "revived")
RESULTS = {True: "complete", False: "failed", None: "unknown"}


@dataclass(frozen=True)
class Sample:
    """A value of a metric; `labels` omits the environment."""

    name: str
    labels: Labels
    value: float


def samples(
    loader: Loader, load_schemas: Iterable[str], optional: Collection[str] = ()
) -> list[Sample]:
    """Return the samples of a loader's warehouse, from the schemas of these loads.

    Schemas of `optional` loads may belong to others: they are left out if they cannot be read.

    Raises:
        OpsError: the warehouse cannot be read.
    """
    found: list[Sample] = []
    if missing_file(loader.url):
        return found
    cannot = f"{loader.name}: {title_of(loader.url)} cannot be read"
    with explained(cannot):
        for schema in dict.fromkeys(map(loader.schema_of, load_schemas)):
            labels = {"loader": loader.name, "schema": schema or ""}
            is_needed = schema not in map(loader.schema_of, optional)
            with existing(loader.url, schema, is_needed=is_needed) as adapter:
                if adapter and adapter.columns(RUNS):
                    found += _of_schema(adapter, labels)
    return found


def _of_schema(adapter: Adapter, labels: Labels) -> Iterator[Sample]:
    path, known = adapter.path(RUNS), adapter.columns(RUNS)
    kinds = [kind for kind in KINDS if kind in known]  # an older table has fewer columns
    sums = ", ".join(f"SUM({kind})" for kind in kinds)
    for stream, complete, runs, last, newest, *counts in adapter.execute(
        f"SELECT stream, complete, COUNT(*), MAX(finished_at), MAX(newest), {sums} FROM {path} "
        "GROUP BY stream, complete ORDER BY stream, complete"
    ):
        own = {**labels, "stream": stream}
        result = RESULTS[None if complete is None else bool(complete)]
        yield Sample("runs_total", {**own, "result": result}, int(runs))
        if result != "failed":
            yield Sample("last_success_timestamp_seconds", own, instant(last).timestamp())
            if newest:
                yield Sample("newest_timestamp_seconds", own, instant(newest).timestamp())
        for kind, count in zip(kinds, counts, strict=True):
            yield Sample("rows_total", {**own, "kind": kind}, int(count or 0))
    failed = "failed_units" if "failed_units" in known else "NULL"
    for stream, last, complete, units in adapter.execute(
        f"SELECT stream, finished_at, complete, {failed} FROM {path} AS r WHERE finished_at = "
        f"(SELECT MAX(finished_at) FROM {path} AS l WHERE l.stream = r.stream)"
    ):
        own = {**labels, "stream": stream}
        yield Sample("last_run_timestamp_seconds", own, instant(last).timestamp())
        if units is not None or complete:
            yield Sample("failed_units", own, int(units or 0))


def text_of(found: Iterable[Sample], common: Labels) -> str:
    """Return the samples as a text file; samples with the same labels are joined.

    Counters are added; of other values, the greatest counts.
    """
    values: dict[str, dict[tuple[tuple[str, str], ...], float]] = {name: {} for name in METRICS}
    for each in found:
        key = tuple({**common, **each.labels}.items())
        before = values[each.name].get(key)
        if before is None:
            values[each.name][key] = each.value
        elif METRICS[each.name][0] == "counter":
            values[each.name][key] = before + each.value
        else:
            values[each.name][key] = max(before, each.value)
    return "".join(_lines(name, rows) for name, rows in values.items() if rows)


def _lines(name: str, rows: Mapping[tuple[tuple[str, str], ...], float]) -> str:
    kind, about = METRICS[name]
    lines = [f"# HELP {PREFIX}{name} {about}", f"# TYPE {PREFIX}{name} {kind}"]
    for key, value in rows.items():
        labels = ",".join(f'{label}="{_escaped(text)}"' for label, text in key if text)
        lines.append(f"{PREFIX}{name}{{{labels}}} {_number(value)}")
    return "\n".join(lines) + "\n"


def _number(value: Any) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
