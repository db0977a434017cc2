"""A vendor without a network: units are numbers, and tests put responses into `SHOP`."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from singer_sdk.schema.source import SchemaDirectory
from typing_extensions import override

from attribution_elt.kit import settings
from attribution_elt.kit.claims import Claim
from attribution_elt.kit.errors import PluginError
from attribution_elt.kit.http.client import Client
from attribution_elt.kit.reader import Reader
from attribution_elt.kit.stream import VendorStream
from attribution_elt.kit.tap import VendorTap

TEXT, WHOLE = {"type": ["string", "null"]}, {"type": ["integer", "null"]}
MOMENT = {"type": ["string", "null"], "format": "date-time"}
ORDERS = {
    "type": "object",
    "x-claims": ["website", "moment", "email"],
    "properties": {
        "website": {**WHOLE, "x-stand-in": 0},
        "order_id": TEXT,
        "moment": MOMENT,
        "email": {**TEXT, "x-pii": True},
        "_extra": {"type": ["object", "null"]},
    },
}
LINES = {
    "type": "object",
    "x-claims": [],
    "properties": {"order_id": TEXT, "number": WHOLE, "_extra": {"type": ["object", "null"]}},
}


@dataclass
class Shop:
    """The vendor's responses by unit: rows, or an error to raise."""

    answers: dict[int, Any] = field(default_factory=dict)
    claims: Callable[[int], Iterable[Claim]] = lambda _: ()
    closing: Callable[[Walk], Iterable[Claim]] = lambda _: ()
    asked: list[int] = field(default_factory=list)
    numbered: bool = True
    failed: list[int] = field(default_factory=list)
    completed: list[int] = field(default_factory=list)


SHOP = Shop()


def written_schemas() -> SchemaDirectory:
    folder = Path(tempfile.mkdtemp())
    for name, schema in (("orders", ORDERS), ("lines", LINES)):
        (folder / f"{name}.json").write_text(json.dumps(schema))
    return SchemaDirectory(folder)


class Walk(Reader[Client, int, list[Any]]):
    """Reads the units in order."""

    @override
    def units(self) -> Iterator[int]:
        self.total = len(SHOP.answers)
        yield from SHOP.answers

    @override
    def fetch(self, unit: int) -> list[Any]:
        SHOP.asked.append(unit)
        answer = SHOP.answers[unit]
        if isinstance(answer, Exception):
            raise answer
        rows: list[Any] = answer
        return rows

    @override
    def emit(self, unit: int, answer: list[Any]) -> None:
        for row in answer:
            if isinstance(row, Exception):
                raise row
            lines = row.pop("lines", []) if isinstance(row, dict) else []
            if "orders" in self.streams:
                self.streams["orders"].emit(row)
            for number, line in enumerate(lines, 1):
                if "lines" in self.streams:
                    self.streams["lines"].emit(
                        line, **({"number": number} if SHOP.numbered else {})
                    )

    @override
    def on_complete(self, unit: int) -> None:
        SHOP.completed.append(unit)
        for stream in self.streams.values():
            stream.units[str(unit)] = "2026-01-01"

    @override
    def on_failure(self, unit: int, error: Any) -> None:
        super().on_failure(unit, error)
        SHOP.failed.append(unit)

    @override
    def claims(self, unit: int, answer: list[Any]) -> Iterable[Claim]:
        return SHOP.claims(unit)

    @override
    def closing_claims(self) -> Iterable[Claim]:
        return SHOP.closing(self)


class Orders(VendorStream):
    name = "orders"
    primary_keys = ("website", "order_id")
    reader = Walk


class Lines(VendorStream):
    name = "lines"
    primary_keys = ("order_id", "number")
    reader = Walk


class TapShop(VendorTap[Client]):
    name = "tap-shop"
    credentials = ("api_url",)
    stream_types = (Orders, Lines)
    schemas = written_schemas()
    config_jsonschema = settings.common("http://127.0.0.1:9").to_dict()

    @override
    def make_clients(self) -> dict[str, Client]:
        return {"shop": Client(self.config)}


@dataclass
class Output:
    """The output of a run of the shop's tap."""

    messages: list[dict[str, Any]]
    error: PluginError | None
    tap: TapShop

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [each for each in self.messages if each["type"] == kind]

    def rows(self, stream: str) -> list[dict[str, Any]]:
        return [each["record"] for each in self.of("RECORD") if each["stream"] == stream]

    @property
    def state(self) -> dict[str, Any]:
        """The value of the last STATE."""
        value: dict[str, Any] = self.of("STATE")[-1]["value"]
        return value

    @property
    def delivered(self) -> list[dict[str, Any]]:
        """The claims of all STATE messages, in order."""
        return [claim for each in self.of("STATE") for claim in each.get("delivered", ())]


def run(
    answers: Mapping[int, Any] | Sequence[Any],
    *,
    claims: Callable[[int], Iterable[Claim]] = lambda _: (),
    closing: Callable[[Walk], Iterable[Claim]] = lambda _: (),
    state: Mapping[str, Any] | None = None,
    streams: Iterable[str] = ("orders", "lines"),
    without: Iterable[str] = (),
    numbered: bool = True,
    **config: Any,
) -> Output:
    """Run the shop's tap on these responses."""
    units = dict(answers) if isinstance(answers, Mapping) else dict(enumerate(answers, 1))
    SHOP.__dict__.update(Shop(units, claims, closing, numbered=numbered).__dict__)
    pipe = io.BytesIO()
    error = None
    with redirect_stdout(io.TextIOWrapper(pipe)):
        catalog = json.loads(TapShop(config=config, validate_config=False).catalog_json_text)
        for entry in catalog["streams"]:
            for each in entry["metadata"]:
                if not each["breadcrumb"]:
                    each["metadata"]["selected"] = entry["stream"] in set(streams)
                elif each["breadcrumb"][-1] in set(without):
                    each["metadata"]["selected"] = False
        tap = TapShop(config=config, state=dict(state or {}), catalog=catalog)
        try:
            tap.sync_all()
        except PluginError as raised:
            error = raised
        tap.run.writer.flush()
        written = pipe.getvalue()
    return Output([json.loads(line) for line in written.splitlines()], error, tap)


def order(number: int, **more: Any) -> dict[str, Any]:
    return {
        "website": 1, "order_id": f"o{number}", "moment": "2026-11-01T10:00:00Z", **more
    }  # fmt: skip
