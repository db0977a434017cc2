"""Computes the rows that should be loaded from the taps' own output."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.pipeline.meltano import SCRIPTS, Settings
from tests.reliability.claims import is_inside

Row = dict[str, Any]


@dataclass
class Stream:
    """The expected rows of a table: a tap's records, upserted by key, without vanished ones."""

    properties: dict[str, Any]
    keys: list[str]
    rows: dict[tuple[Any, ...], Row] = field(default_factory=dict)
    delivered: set[tuple[Any, ...]] = field(default_factory=set)
    """Keys of the present run."""

    def upsert(self, record: Mapping[str, Any]) -> None:
        row = self.typed(record)
        key = tuple(row[name] for name in self.keys)
        self.rows[key] = row
        self.delivered.add(key)

    def remove_vanished(self, where: Mapping[str, Any]) -> None:
        """Remove the rows inside a claim that the run has not delivered."""
        for key in self.rows.keys() - self.delivered:
            if is_inside(self.rows[key], where):
                del self.rows[key]

    def typed(self, record: Mapping[str, Any]) -> Row:
        """A record with its instants and days as such."""
        return {name: self._typed(name, value) for name, value in record.items()}

    def _typed(self, name: str, value: Any) -> Any:
        if value is None:
            return None
        match self.properties[name].get("format"):
            case "date-time":
                return datetime.fromisoformat(value)
            case "date":
                return date.fromisoformat(value)
        return value

    def read(self, columns: Iterable[str], rows: Iterable[tuple[Any, ...]]) -> list[Row]:
        """Return a table's rows in the order of `rows`, without the loader's own columns."""
        return [
            {
                name: self._from_column(name, value)
                for name, value in zip(columns, row, strict=True)
                if not name.startswith("_sdc_")
            }
            for row in rows
        ]

    def _from_column(self, name: str, value: Any) -> Any:
        nested = {"object", "array"} & set(self.properties[name]["type"])
        if nested and isinstance(value, str):
            return json.loads(value, parse_float=Decimal)
        return value.astimezone(UTC) if isinstance(value, datetime) else value


class Expected:
    """The rows that a loader must have loaded of each tap's streams."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._states: dict[str, Any] = {}
        self.streams: dict[tuple[str, str], Stream] = {}

    def take_in(self, every: Settings) -> None:
        """Run the taps, each from the state of its last run."""
        for tap, config in every.items():
            command = [str(SCRIPTS / tap)]
            given = {"config": config, "state": self._states.get(tap, {})}
            if tap == "tap-ignite":
                given["catalog"] = self._catalog(tap, config, without="location_details")
            for name, document in given.items():
                path = self._folder / f"{tap}.{name}.json"
                path.write_text(json.dumps(document))
                command += [f"--{name}", str(path)]
            done = subprocess.run(command, capture_output=True, timeout=120, check=True)
            for (owner, _), stream in self.streams.items():
                if owner == tap:
                    stream.delivered.clear()
            for line in done.stdout.splitlines():
                self._take(tap, json.loads(line, parse_float=Decimal))

    def _catalog(self, tap: str, config: Mapping[str, Any], *, without: str) -> dict[str, Any]:
        """Return the tap's catalog with all streams selected that meltano.yml selects."""
        path = self._folder / f"{tap}.config.json"
        path.write_text(json.dumps(config))
        command = [str(SCRIPTS / tap), "--discover", "--config", str(path)]
        found = subprocess.run(command, capture_output=True, timeout=60, check=True)
        catalog: dict[str, Any] = json.loads(found.stdout)
        for stream in catalog["streams"]:
            stream["selected"] = stream["tap_stream_id"] != without
            for entry in stream["metadata"]:
                if not entry["breadcrumb"]:
                    entry["metadata"]["selected"] = stream["selected"]
        return catalog

    def _take(self, tap: str, message: dict[str, Any]) -> None:
        match message["type"]:
            case "STATE":
                self._states[tap] = message["value"]
                for claim in message.get("delivered", ()):
                    self.streams[tap, claim["stream"]].remove_vanished(claim["where"])
            case "SCHEMA":
                stream = Stream(message["schema"]["properties"], message["key_properties"])
                self.streams.setdefault((tap, message["stream"]), stream)
            case "RECORD":
                self.streams[tap, message["stream"]].upsert(message["record"])
