"""Collects the events in Meltano's log of a run, by pipeline."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from attribution_elt.core.events import FIELD
from attribution_elt.meltano.process import installation_failure, log_record

COUNTS = ("records", "inserted", "updated", "unchanged", "rejected")
"""Counts of a stream that the loader logs with `stream_loaded`."""
ERROR = "Error: "
"""Prefix of the line with which a command reports why it failed."""
ERROR_LEVELS = ("CRITICAL ", "ERROR ")
"""Beginnings of errors that plugins of others log as text, as singer-python formats them."""
IGNORED_WARNINGS = ("No state was found",)
"""Beginnings of warnings that are normal, such as those of a first run."""


def parts_of(name: str) -> tuple[str, str, str, str]:
    """Return the parts of Meltano's name of a run, `environment:tap-to-loader:suffix`."""
    environment, _, rest = name.partition(":")
    blocks, _, suffix = rest.partition(":")
    tap, _, loader = blocks.rpartition("-to-")
    return environment, tap, loader, suffix


@dataclass
class Pipeline:
    """One tap and one loader, as the log reports them.

    Attributes:
        tap: name of the extractor.
        loader: name of the loader; "" if the run failed before it started.
        streams: the loader's counts by stream.
        sent: number of records that the tap counted, by stream.
        failed_units: message of each failed unit, with its streams.
        failures: errors that ended the tap.
        load_failures: errors that ended the loader, and its summary of rejected records.
        drift: properties that no schema names.
        days_lost: days that the vendor no longer returns.
        repeated: how often each warning came after the first time.
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
    repeated: Counter[str] = field(default_factory=Counter)
    _progress: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _began: float = field(default_factory=time.monotonic)

    @property
    def complaints(self) -> list[str]:
        """Every failure in a line that names the plugin."""
        units = (message for message, _ in self.failed_units)
        of_tap = [f"{self.tap}: {each}" for each in (*self.failures, *units)]
        return of_tap + [f"{self.loader or self.tap}: {each}" for each in self.load_failures]

    @property
    def records(self) -> int:
        """Number of records that the tap has sent."""
        return sum(int(each["records"]) for each in self._progress.values())

    @property
    def committed(self) -> int:
        """Number of records that the loader has committed."""
        counts = self.streams.values()
        return sum((each["records"] or 0) - (each["rejected"] or 0) for each in counts)

    @property
    def rate(self) -> float:
        """Records per second."""
        return self.records / max(time.monotonic() - self._began, 0.001)

    def update_progress(self, progress: Mapping[str, Any]) -> None:
        """Keep the latest progress of a group of streams."""
        self._progress[",".join(progress["streams"])] = progress

    def is_repeated(self, message: str) -> bool:
        """Return whether a warning was repeated, and count it; numbers in its text may differ."""
        kind = re.sub(r"\d+(\.\d+)?", "#", message)
        self.repeated[kind] += 1
        return self.repeated[kind] > 1


@dataclass(frozen=True)
class Event:
    """An event of a run that the display shows."""

    kind: str
    message: str
    pipeline: Pipeline | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)


class RunLog:
    """Reads Meltano's log and collects what it reports of each pipeline."""

    def __init__(self) -> None:
        self.pipelines: dict[str, Pipeline] = {}
        self.errors: list[str] = []
        """Meltano's own errors."""
        self.installation_failures: list[str] = []
        """Plugins that could not be installed; other errors follow from that."""

    def take(self, line: str) -> Event | None:
        """Read a line; return its event, or None if it has none that matters."""
        record = log_record(line)
        if record is None:
            return self._take_output(line.strip())
        message, level = str(record["event"]), record.get("level", "info")
        pipeline = self._pipeline(record)
        kind = record.get(FIELD)
        if pipeline is not None and kind is not None:
            return self._take_event(pipeline, kind, message, record)
        if pipeline is not None and "metric_info" in record:
            self._take_metric(pipeline, record["metric_info"])
        elif pipeline is not None and message.startswith(ERROR):
            return self._take_failure(pipeline, message.removeprefix(ERROR), record)
        elif level == "warning":
            return self._take_warning(pipeline, message)
        elif level in {"error", "critical"} and pipeline is None:
            self._take_error(message, record)
        elif level in {"error", "critical"} or message.startswith(ERROR_LEVELS):
            return Event("error", message, pipeline)
        return None

    def _take_error(self, message: str, record: Mapping[str, Any]) -> None:
        failure = installation_failure(record)
        why = record.get("err")
        codes = record.get("exit_codes")
        pipeline = next(reversed(self.pipelines.values()), None)
        if failure is not None:
            self.installation_failures.append(failure)
        elif pipeline and isinstance(codes, dict) and not pipeline.complaints:
            # a plugin that was killed, or one by others, which has no event for its failure
            for kind, code in codes.items():
                failures = pipeline.load_failures if kind == "loaders" else pipeline.failures
                failures.append(f"ended with exit code {code}")
        elif why not in self.errors or why is None:  # the error of a block repeats the one before
            first = message.partition("\n")[0]
            self.errors.append(f"{first}: {why}" if why else first)

    def _take_output(self, text: str) -> Event | None:
        if not text:
            return None
        if text.startswith(ERROR):
            self.errors.append(text.removeprefix(ERROR))
        return Event("output", text)

    def _pipeline(self, record: Mapping[str, Any]) -> Pipeline | None:
        """Return the pipeline of a plugin's line; a discovery begins a new pipeline."""
        if record.get("cmd_type") == "elb":
            _, tap, loader, _ = parts_of(name := str(record["job_name"]))
            return self.pipelines.setdefault(name, Pipeline(tap, loader))
        if record.get("type") == "discovery":
            return self.pipelines.setdefault(
                f"discovery of {record['name']}", Pipeline(record["name"])
            )
        return None

    @staticmethod
    def _take_failure(pipeline: Pipeline, reason: str, record: Mapping[str, Any]) -> Event | None:
        failures = pipeline.load_failures if record.get("consumer") else pipeline.failures
        if reason in failures:  # a program may both log and print its last line
            return None
        failures.append(reason)
        return Event("run_failed", reason, pipeline)

    @staticmethod
    def _take_warning(pipeline: Pipeline | None, message: str) -> Event | None:
        if message.startswith(IGNORED_WARNINGS):
            return None
        if pipeline is not None and pipeline.is_repeated(message):
            return None
        return Event("warning", message, pipeline)

    def _take_event(
        self, pipeline: Pipeline, kind: str, message: str, record: Mapping[str, Any]
    ) -> Event | None:
        fields = {
            name: record[name]
            for name in ("streams", "units_done", "until", "stream", "status")
            if name in record
        }
        match kind:
            case "progress":
                pipeline.update_progress(record)
                fields["units_total"] = record.get("units_total")  # Meltano omits null fields
                fields["units_failed"] = record.get("units_failed", 0)
            case "stream_loaded":
                fields = {name: record.get(name) for name in (*COUNTS, "newest")}
                pipeline.streams[record["stream"]] = fields
                fields = {"stream": record["stream"], **fields}
            case "unit_failed":
                pipeline.failed_units.append((message, list(record.get("streams") or ())))
            case "run_failed":
                return self._take_failure(pipeline, message, record)
            case "drift":
                pipeline.drift.append(f"{record.get('stream')}: {message}")
            case "days_lost":
                pipeline.days_lost.append(message)
            case "warning":
                return self._take_warning(pipeline, message)
            case "retry":
                repeated = pipeline.is_repeated(str(record.get("reason")))
                return None if repeated else Event("warning", message, pipeline)
        return Event(kind, message, pipeline, fields)

    @staticmethod
    def _take_metric(pipeline: Pipeline, metric: Mapping[str, Any]) -> None:
        if metric.get("metric") == "record_count":
            stream = metric.get("tags", {}).get("stream")
            pipeline.sent[stream] = pipeline.sent.get(stream, 0) + int(metric["value"])

    @property
    def complaints(self) -> list[str]:
        """Every failure in a line; Meltano's own errors only if no plugin reported one."""
        of_plugins = [each for pipeline in self.pipelines.values() for each in pipeline.complaints]
        return self.installation_failures or of_plugins or self.errors

    def repeated_warnings(self) -> Iterator[tuple[Pipeline, str, int]]:
        """Yield each kind of warning that was repeated, and how often."""
        for pipeline in self.pipelines.values():
            for kind, times in pipeline.repeated.items():
                if times > 1:
                    yield pipeline, kind, times - 1

    def rows(self) -> Iterator[tuple[Pipeline, str, Mapping[str, Any]]]:
        """Yield the loader's counts of each stream, or the tap's counts if the loader has none."""
        for pipeline in self.pipelines.values():
            for name in dict.fromkeys((*pipeline.streams, *pipeline.sent)):
                counted = {"records": pipeline.sent.get(name)}
                yield pipeline, name, pipeline.streams.get(name) or counted
