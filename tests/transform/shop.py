"""A small shop in a warehouse: rows that taps would load, and the models on top of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from typing import Any

from target_warehouse.warehouses.registry import connect

from attribution_elt.meltano.project import SCHEMA, Extractor, Loader
from attribution_elt.models.build import Built, Models, Tested
from attribution_elt.models.folder import Folder
from attribution_elt.models.tables import read_tables
from tests.operating import TAP_TYPES
from tests.targets.target_warehouse.warehouses import Warehouse, record

PROJECT = Path(__file__).parent.parent.parent
TRANSFORM = PROJECT / "transform"
TAPS = {"tap_" + tap.__module__.split(".")[0].removeprefix("tap_"): tap for tap in TAP_TYPES}
Row = Mapping[str, Any]


class Shop:
    """Loads rows with the real loader, builds the real models, and reads them back."""

    def __init__(self, warehouse: Warehouse, folder: Path = TRANSFORM) -> None:
        self.warehouse = warehouse
        self.folder = folder
        self.built: list[Built] = []
        self.tested: list[Tested] = []
        self.left_out: Mapping[str, str] = {}

    def load(self, source: str, stream: str, *rows: Row, **settings: Any) -> None:
        """Load rows of a stream into the schema of its tap."""
        file = files("schemas") / source.removeprefix("tap_") / f"{stream}.json"
        types: Sequence[Any] = TAPS[source].stream_types
        keys = {each.name: list(each.primary_keys) for each in types}
        message = {
            "type": "SCHEMA",
            "stream": stream,
            "key_properties": keys[stream],
            "schema": json.loads(file.read_text()),
        }
        self.warehouse.load(
            message,
            *(record(stream, **row) for row in rows),
            add_record_metadata=True,
            default_target_schema=source,
            **settings,
        )

    def build(self, *wanted: str, **variables: Any) -> Shop:
        """Build models, or all if none is named, and run their tests; `+` adds their sources."""
        loader = Loader("target-warehouse", self.warehouse.url, SCHEMA)
        extractors = [
            Extractor(name.replace("_", "-"), tap, name, {}) for name, tap in TAPS.items()
        ]
        tables = read_tables(loader, extractors)
        self.parsed = Folder(self.folder)
        models = Models(self.parsed, self.warehouse.url, "attribution", tables, variables)
        with closing(models):
            self.left_out = models.plan.left_out
            names = models.chosen(wanted)
            self.built = list(models.build(names))
            self.tested = list(models.test(names))
        return self

    @property
    def failed(self) -> dict[str, int]:
        """The tests that failed, with the number of wrong rows."""
        return {each.name: each.failures for each in self.tested if not each.passed}

    def execute(self, sql: str, *tables: str, schema: str = "attribution") -> list[tuple[Any, ...]]:
        """Run SQL with `{}` for the paths of models, or of tables in another schema."""
        with closing(connect(self.warehouse.url, schema)) as adapter:
            rows = adapter.execute(sql.format(*map(adapter.path, tables)))
            adapter.commit()
            return rows

    def rows(
        self, model: str, columns: Sequence[str], where: str = "1 = 1"
    ) -> list[tuple[Any, ...]]:
        """Return columns of a model, in order."""
        listed = ", ".join(columns)
        order = ", ".join(str(place) for place in range(1, len(columns) + 1))
        return self.execute(f"SELECT {listed} FROM {{}} WHERE {where} ORDER BY {order}", model)

    def credits(self, model: str, conversion: str) -> dict[str, float]:
        """Return the credit of a model's touches for a conversion."""
        found = self.rows(
            "fct_credits",
            ("touch_key", "credit"),
            f"model = '{model}' AND conversion_key = '{conversion}'",
        )
        return {key.removeprefix("attribution_io:"): float(credit) for key, credit in found}


def touch(number: int, client: str | None, moment: str, source: str = "", **more: Any) -> Row:
    """A touchpoint; `source` is `medium/source/campaign` of its URL."""
    names = dict(zip(("utm_medium", "utm_source", "utm_campaign"), source.split("/"), strict=False))
    query = "&".join(f"{name}={value}" for name, value in names.items() if value)
    return {
        "id": number,
        "client_id": client,
        "created_at": moment,
        "url": f"https://shop.example/?{query}" if query else "https://shop.example/",
        **more,
    }


def purchase(number: int, client: str, moment: str, amount: float, **more: Any) -> Row:
    """A conversion event."""
    return {
        "id": number,
        "client_id": client,
        "created_at": moment,
        "amount": amount,
        "event_type_id": 35,
        "event_type_name": "PurchaseEventType",
        "is_informational": False,
        **more,
    }


def output(number: int, event: int, touchpoint: int | None, weight: float, **more: Any) -> Row:
    """An output of one of Attribution.io's models."""
    return {
        "id": number,
        "event_id": event,
        "touchpoint_id": touchpoint,
        "weight": weight,
        "attribution_model_name": "Linear",
        **more,
    }


def order(
    number: str, moment: str, amount: float, channel: str | None = "Email", **more: Any
) -> Row:
    """An order of ECDP."""
    return {
        "website_id": 1,
        "order_id": number,
        "order_date_time": moment,
        "channel": channel,
        "message_type": "Newsletter",
        "message_id": 7,
        "customer_id": 1,
        "customer_email": "jane@example.com",
        "order_value_converted": amount,
        "reporting_currency": "EUR",
        "original_total_value": amount,
        "original_currency": "EUR",
        **more,
    }


def commission(number: int, type_: str, value: float, program: int = 9, **more: Any) -> Row:
    """A commission on sales of a program of Adtraction."""
    return {
        "channel_id": 5,
        "program_id": program,
        "commission_id": str(number),
        "transaction_type": 3,
        "type": type_,
        "value": value,
        **more,
    }


def copied(folder: Path) -> Path:
    """Copy the models into a temporary folder, to change them there."""
    for path in TRANSFORM.rglob("*.*"):
        copy = folder / path.relative_to(TRANSFORM)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    return folder


def session(conversion: str, number: str, label: str, ihc: float, **more: str) -> dict[str, object]:
    """A row of IHC's credits."""
    return {
        "conv_type_id": "purchases",
        "conversion_id": conversion,
        "session_id": number,
        "channel_label": label,
        "conversion_timestamp": "2026-03-02T10:00:00Z",
        "timestamp": "2026-03-01T10:00:00Z",
        "initializer": ihc,
        "holder": 0,
        "closer": ihc,
        "ihc": ihc,
        **more,
    }
