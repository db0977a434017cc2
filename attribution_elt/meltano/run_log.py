"""What Meltano's log, line by line, says of a run."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from attribution_elt.core.events import FIELD
from attribution_elt.meltano.process import log_record

COUNTS = ("records", "inserted", "updated", "unchanged", "rejected")
"""What a loader tells of a stream, by `stream_loaded`."""
ERROR = "Error: "
"""How a command says, in a line of its own, why it failed."""


@dataclass
class Pipeline:
    """One tap into one loader, as far as the log tells.

    Attributes:
        tap: name of the extractor.
        loader: name of the loader; "" if it has not come to that.
        streams: what was loaded, by stream, as the loader tells it.
        sent: records that the tap counted, by stream.
        failed_units: what failed for good, each with the streams that lack it.
        failures: what ended the tap.
        load_failures: what ended the loader, or what it rejected.
        drift: what the vendor sends that no schema knows.
        days_lost: what can no longer be had.
        seconds: since it began.
    """

    tap: str
    loader: str = ""
    streams: dict[str, dict[str, Any]] = field(default_factory=dict)
    sent: dict[str, int] = field(default_factory=dict)
    failed_units: list[tuple[str, list[str]]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    load_failures: list[str] = field(default_factory=list)
    drift: list[str] = field(default_factory=list)
    days_lost: list[str] = field(default_factory=list)
    _walks: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _began: float = field(default_factory=time.monotonic)

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return not (self.failed_units or self.failures or self.load_failures)

    @property
    def complaints(self) -> list[str]:
        """Everything that failed, a line each."""
        units = (message for message, _ in self.failed_units)
        return [*self.failures, *units, *self.load_failures]

    @property
    def records(self) -> int:
        """Records that the tap has sent."""
        return sum(int(walk["records"]) for walk in self._walks.values())

    @property
    def rate(self) -> float:
        """Records a second."""
        return self.records / max(time.monotonic() - self._began, 0.001)

    def walk(self, progress: Mapping[str, Any]) -> None:
        """Note how far the tap has come with some of its streams."""
        self._walks[",".join(progress["streams"])] = progress


@dataclass(frozen=True)
class Event:
    """Something that those who watch should know."""

    kind: str
    message: str
    pipeline: Pipeline | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)


class RunLog:
    """Takes in Meltano's log, and keeps what it says of each pipeline."""

    def __init__(self) -> None:
        self.pipelines: dict[str, Pipeline] = {}
        self.errors: list[str] = []
        """What Meltano itself complained of."""

    def take(self, line: str) -> Event | None:
        """Take in a line; return what it tells, if that is of interest."""
        record = log_record(line)
        if record is None:
            return self._complaint(line.strip())
        message, level = str(record["event"]), record.get("level", "info")
        pipeline = self._pipeline(record)
        kind = record.get(FIELD)
        if pipeline is not None and kind is not None:
            return self._told(pipeline, kind, message, record)
        if pipeline is not None and "metric_info" in record:
            self._measured(pipeline, record["metric_info"])
        elif pipeline is not None and message.startswith(ERROR):
            reason = message.removeprefix(ERROR)
            failed = pipeline.load_failures if record.get("consumer") else pipeline.failures
            failed.append(reason)
            return Event("run_failed", reason, pipeline)
        elif level == "warning":
            return Event("warning", message, pipeline)
        elif level in {"error", "critical"} and pipeline is None:
            why = record.get("err")
            first = message.partition("\n")[0]
            self.errors.append(f"{first}: {why}" if why else first)
        elif level in {"error", "critical"}:
            return Event("error", message, pipeline)
        return None

    def _complaint(self, text: str) -> Event | None:
        if not text:
            return None
        if text.startswith(ERROR):
            self.errors.append(text.removeprefix(ERROR))
        return Event("output", text)

    def _pipeline(self, record: Mapping[str, Any]) -> Pipeline | None:
        """Return the pipeline that a plugin's line is of; one from discovery may be new."""
        if record.get("cmd_type") == "elb":
            name = str(record["job_name"])  # environment:tap-to-loader, and perhaps :suffix
            tap, _, loader = name.split(":")[1].rpartition("-to-")
            return self.pipelines.setdefault(name, Pipeline(tap, loader))
        if record.get("type") == "discovery":
            return self.pipelines.setdefault(
                f"discovery of {record['name']}", Pipeline(record["name"])
            )
        return None

    @staticmethod
    def _told(pipeline: Pipeline, kind: str, message: str, record: Mapping[str, Any]) -> Event:
        fields = {
            name: record[name]
            for name in ("streams", "units_done", "until", "stream", "status")
            if name in record
        }
        match kind:
            case "progress":
                pipeline.walk(record)
                fields["units_total"] = record.get("units_total")  # Meltano leaves out what is null
            case "stream_loaded":
                fields = {name: record.get(name) for name in (*COUNTS, "newest")}
                pipeline.streams[record["stream"]] = fields
                fields = {"stream": record["stream"], **fields}
            case "unit_failed":
                pipeline.failed_units.append((message, list(record.get("streams") or ())))
            case "run_failed":
                pipeline.failures.append(message)
            case "drift":
                pipeline.drift.append(f"{record.get('stream')}: {message}")
            case "days_lost":
                pipeline.days_lost.append(message)
        return Event(kind, message, pipeline, fields)

    @staticmethod
    def _measured(pipeline: Pipeline, metric: Mapping[str, Any]) -> None:
        if metric.get("metric") == "record_count":
            stream = metric.get("tags", {}).get("stream")
            pipeline.sent[stream] = pipeline.sent.get(stream, 0) + int(metric["value"])

    @property
    def complaints(self) -> list[str]:
        """Everything that failed, a line each; what Meltano says only if nobody else did."""
        told = [
            f"{pipeline.tap}: {complaint}"
            for pipeline in self.pipelines.values()
            for complaint in pipeline.complaints
        ]
        return told or self.errors

    def rows(self) -> Iterator[tuple[Pipeline, str, Mapping[str, Any]]]:
        """Yield what was loaded of each stream; what the tap counted, if the loader tells none."""
        for pipeline in self.pipelines.values():
            for name in dict.fromkeys((*pipeline.streams, *pipeline.sent)):
                counted = {"records": pipeline.sent.get(name)}
                yield pipeline, name, pipeline.streams.get(name) or counted
