"""A pipeline over some days, with copies of its tables and of its page made on each of them."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from target_warehouse.warehouses.registry import connect

from attribution_elt.meltano.project import Extractor, Loader
from attribution_elt.reporting import revenue
from attribution_elt.reporting.page import page
from attribution_elt.reporting.reading import Place, read
from attribution_elt.sandbox import Sandbox
from tests.reliability.days import PIPELINES, Days
from tests.targets.target_warehouse.clock import loading_at
from tests.targets.target_warehouse.warehouses import Warehouse

Copies = dict[str, Counter[str]]


@dataclass
class KnownDays:
    """ECDP's and Attribution.io's pipelines into one warehouse, once a day."""

    sandbox: Sandbox
    warehouse: Warehouse
    days: int = 14
    pipelines: list[Days] = field(default_factory=list)
    copies: dict[date, Copies] = field(default_factory=dict)
    pages: dict[date, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for pipeline in PIPELINES:
            if pipeline.name in {"ecdp", "attribution-io"}:
                schema = f"tap_{pipeline.name.replace('-', '_')}"
                self.pipelines.append(Days(pipeline, self.sandbox, self.warehouse, schema))

    def run(self, count: int) -> None:
        """Run the pipelines on so many days."""
        for number in range(count):
            if number:
                self.sandbox.advance()
            today = self.sandbox.clock.today
            for place, each in enumerate(self.pipelines):
                output = each.extract()
                assert output.code == 0, output.stderr
                with loading_at(datetime.combine(today, time(5 + place), UTC)):
                    each.load(output, history=["*"], vanish_limit=1)
            self.copies[today] = self.tables(None)
            self.pages[today] = self.page(today, None)

    def tables(self, known_at: datetime | None) -> Copies:
        """The rows of all tables, now or as known at a moment."""
        return {
            f"{each.schema}.{stream}": self._rows(each.schema, stream, known_at)
            for each in self.pipelines
            for stream in sorted(each.streams)
        }

    def _rows(self, schema: str, stream: str, known_at: datetime | None) -> Counter[str]:
        with closing(connect(self.warehouse.url, schema)) as adapter:
            names = [name for name in adapter.columns(stream) if not name.startswith("_sdc_")]
            table, condition = stream, "1 = 1"
            if known_at:
                table = f"{stream}__versions"
                condition = revenue.valid_at(adapter, known_at)
            return Counter(
                str(row)
                for row in adapter.execute(
                    f"SELECT {adapter.dialect.identifiers(names)} FROM {adapter.path(table)} "
                    f"WHERE {condition}"
                )
            )

    def page(self, day: date, known_at: datetime | None) -> str:
        """The page of a day, from the tables or as known at a moment."""
        now = end_of(day)
        first = datetime.combine(day - timedelta(days=self.days - 1), time(), UTC)
        loader = Loader("target-warehouse", self.warehouse.url, "MELTANO_EXTRACT__LOAD_SCHEMA")
        found = read(loader, self._extractors(), first, (), known_at)
        assert found.problem is None
        found.is_past = True  # a page of the past leaves the SQL models out
        assert all(isinstance(each, Place) and each.streams for each in found.places)
        return page([found], "dev", now, self.days)

    def _extractors(self) -> list[Extractor]:
        names = {"ecdp": "tap-ecdp", "attribution-io": "tap-attribution-io"}
        settings: dict[str, Any] = {"api_key": "made-up", "public_key": "made-up"}
        return [
            Extractor(names[each.pipeline.name], each.pipeline.tap, each.schema, settings)
            for each in self.pipelines
        ]


def end_of(day: date) -> datetime:
    """The last moment of a day."""
    return datetime.combine(day, time.max, UTC)


def differences(known: KnownDays, day: date) -> list[str]:
    """What differs between a day as it is known now and its copies."""
    moment = end_of(day)
    found = known.tables(moment)
    errors = [
        f"{day}: {name}: {list((found[name] - rows) + (rows - found[name]))[:3]}"
        for name, rows in known.copies[day].items()
        if found[name] != rows
    ]
    if known.page(day, moment) != known.pages[day]:
        errors.append(f"{day}: the page differs")
    return errors
