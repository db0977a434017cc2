"""Runs the project's meltano.yml, and says what should have landed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from sandbox import Sandbox

PROJECT = Path(__file__).parent.parent.parent
SCRIPTS = Path(sys.executable).parent
TAPS = ("tap-ecdp", "tap-adtraction", "tap-ignite", "tap-attribution-io")


def settings(sandbox: Sandbox) -> dict[str, dict[str, Any]]:
    """Each tap's settings, which open the sandbox."""
    ignite, adtraction, attribution = sandbox.ignite, sandbox.adtraction, sandbox.attribution_io
    return {
        "tap-ecdp": {
            "api_url": sandbox.ecdp.url,
            "api_key": sandbox.ecdp.api_key,
            "start_date": str(sandbox.ecdp.first_day),
        },
        "tap-adtraction": {
            "api_url": adtraction.url,
            "partner_token": adtraction.partner_token,
            "client_token": adtraction.client_token,
            "markets": list(adtraction.markets),
            "channel_ids": list(adtraction.channel_ids),
        },
        "tap-ignite": {
            "api_url": ignite.url,
            "websites": [
                {"name": site.name, "token": site.token, "secret": site.secret}
                for site in ignite.websites
            ],
            "hash_algorithms": ["md5", "sha2"],
        },
        "tap-attribution-io": {
            "api_url": attribution.url,
            "public_key": attribution.public_key,
            "secret": attribution.secret,
            "customer_ids": attribution.client_ids,
        },
        "tap-ihc": {
            "api_url": sandbox.ihc.url,
            "api_key": sandbox.ihc.api_key,
            "conv_type_id": sandbox.ihc.conv_type_id,
        },
    }


def project(folder: Path) -> Path:
    """The project's meltano.yml in a folder of its own, its plugins those of this environment."""
    folder.mkdir()
    text = (PROJECT / "meltano.yml").read_text()
    (folder / "meltano.yml").write_text(re.sub(r"\n +pip_url: .*", "", text))
    return folder


def every_tap() -> list[str]:
    """What moves every vendor's data into the warehouse."""
    return [block for tap in TAPS for block in (tap, "target-warehouse")]


def run(
    folder: Path,
    sandbox: Sandbox,
    environment: str,
    warehouse: Mapping[str, str],
    blocks: Iterable[str],
) -> None:
    """Run jobs, or taps into the loader, as the schedules would."""
    variables = {
        f"{tap}_{name}".upper().replace("-", "_"): (
            value if isinstance(value, str) else json.dumps(value)
        )
        for tap, config in settings(sandbox).items()
        for name, value in config.items()
    }
    path = f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [str(SCRIPTS / "meltano"), f"--environment={environment}", "run", *blocks],
        cwd=folder,
        env={**os.environ, **variables, **warehouse, "PATH": path, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-5000:]


@dataclass
class Stream:
    """What a table must hold: what a tap emitted, run after run, upserted by key."""

    properties: dict[str, Any]
    keys: list[str]
    rows: dict[tuple[Any, ...], dict[str, Any]] = field(default_factory=dict)

    def upsert(self, record: Mapping[str, Any]) -> None:
        row = {name: self._typed(name, value) for name, value in record.items()}
        self.rows[tuple(row[key] for key in self.keys)] = row

    def _typed(self, name: str, value: Any) -> Any:
        if value is None:
            return None
        match self.properties[name].get("format"):
            case "date-time":
                return datetime.fromisoformat(value)
            case "date":
                return date.fromisoformat(value)
        return value

    def read(self, columns: Iterable[str], rows: Iterable[tuple[Any, ...]]) -> list[dict[str, Any]]:
        """A table's rows in the order of `rows`, but for the loader's own columns."""
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
    """What the warehouse must hold of each tap."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._states: dict[str, Any] = {}
        self.streams: dict[tuple[str, str], Stream] = {}

    def take_in(self, sandbox: Sandbox) -> None:
        """Run the taps themselves, each from the state of its last run."""
        for tap in TAPS:
            config = settings(sandbox)[tap]
            command = [str(SCRIPTS / tap)]
            given = {"config": config, "state": self._states.get(tap, {})}
            if tap == "tap-ignite":
                given["catalog"] = self._catalog(tap, config, without="location_details")
            for name, document in given.items():
                path = self._folder / f"{tap}.{name}.json"
                path.write_text(json.dumps(document))
                command += [f"--{name}", str(path)]
            done = subprocess.run(command, capture_output=True, timeout=120, check=True)
            for line in done.stdout.splitlines():
                self._take(tap, json.loads(line, parse_float=Decimal))

    def _catalog(self, tap: str, config: Mapping[str, Any], *, without: str) -> dict[str, Any]:
        """The tap's catalogue with all streams selected that meltano.yml selects."""
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
            case "SCHEMA":
                stream = Stream(message["schema"]["properties"], message["key_properties"])
                self.streams.setdefault((tap, message["stream"]), stream)
            case "RECORD":
                self.streams[tap, message["stream"]].upsert(message["record"])
