"""Computes the rows that should be loaded from the taps' own output."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from tap_ignite.tap import TapIgnite

from attribution_elt.kit.testing.warehouse import Warehouse
from tests.pipeline.meltano import Settings
from tests.tap_process import Row, run, selected


@dataclass
class Stream:
    """The expected rows of a table: a tap's records, upserted by key, without vanished ones."""

    properties: dict[str, Any]
    keys: list[str]
    rows: dict[tuple[Any, ...], Row] = field(default_factory=dict)

    def by_key(self, rows: Iterable[Row]) -> dict[tuple[Any, ...], Row]:
        """Return the last row of each key."""
        return {tuple(row[name] for name in self.keys): row for row in rows}

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
        self._warehouses: defaultdict[str, Warehouse] = defaultdict(Warehouse)
        self.streams: dict[tuple[str, str], Stream] = {}

    def take_in(self, every: Settings) -> None:
        """Run the taps, each from the state of its last run."""
        for tap, config in every.items():
            given = {"config": config, "state": self._states.get(tap)}
            if tap == "tap-ignite":
                given["catalog"] = _selected_in_meltano_yml(config)
            output = run(self._folder, tap, **given)
            assert output.code == 0, output.stderr
            self._states[tap] = output.states[-1]
            warehouse = self._warehouses[tap]
            warehouse.load(output)
            for message in output.of("SCHEMA"):
                name = message["stream"]
                stream = Stream(message["schema"]["properties"], message["key_properties"])
                stream.rows = stream.by_key(map(stream.typed, warehouse.rows[name].values()))
                self.streams[tap, name] = stream


def _selected_in_meltano_yml(config: Mapping[str, Any]) -> dict[str, Any]:
    tap = TapIgnite(config=dict(config))
    return selected(tap, tap.streams.keys() - {"location_details"})
