"""Pipelines that run day by day while the vendors withdraw records, within the test's process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, tzinfo
from pathlib import Path
from typing import Any, Self

import pytest
import tap_ecdp.readers
import tap_ignite.snapshot
from tap_adtraction.tap import TapAdtraction
from tap_attribution_io.tap import TapAttributionIo
from tap_ecdp.tap import TapEcdp
from tap_ignite.tap import TapIgnite
from tap_ihc.tap import TapIhc
from typing_extensions import override

from attribution_elt.kit.tap import VendorTap
from attribution_elt.sandbox import Sandbox
from attribution_elt.sandbox.vendor import Vendor
from tests.tap_process import Output, run_here
from tests.taps.tap_ihc.helpers import file_of
from tests.targets.target_warehouse.warehouses import Run, Warehouse

TODAY = date(2026, 3, 31)
Settings = dict[str, Any]
Tables = dict[str, list[str]]


@dataclass(frozen=True)
class Pipeline:
    """A tap and how to open it at a sandbox.

    Attributes:
        settings: Returns the tap's settings for the current day.
        unclaimed: Streams without claims, whose withdrawn rows stay.
        volatile: Columns that differ between loads of the same data.
    """

    name: str
    tap: type[VendorTap]
    settings: Callable[[Sandbox, Path], Settings]
    unclaimed: frozenset[str] = frozenset()
    volatile: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return self.name

    def vendor(self, sandbox: Sandbox) -> Vendor:
        return sandbox.vendors[self.name]


def _ecdp(sandbox: Sandbox, _: Path) -> Settings:
    return {"start_date": str(sandbox.ecdp.first_day), "api_key": sandbox.ecdp.api_key}


def _adtraction(sandbox: Sandbox, _: Path) -> Settings:
    vendor = sandbox.adtraction
    return {
        **vendor.credentials,
        "markets": list(vendor.markets),
        "channel_ids": list(vendor.channel_ids),
    }


def _ignite(sandbox: Sandbox, _: Path) -> Settings:
    sites = sandbox.ignite.websites
    return {
        "websites": [
            {"name": site.name, "token": site.token, "secret": site.secret} for site in sites
        ],
        "hash_algorithms": ["md5", "sha2"],
    }


def _attribution_io(sandbox: Sandbox, _: Path) -> Settings:
    vendor = sandbox.attribution_io
    return {**vendor.credentials, "customer_ids": vendor.client_ids}


def _ihc(sandbox: Sandbox, folder: Path) -> Settings:
    vendor = sandbox.ihc
    sessions = file_of(folder / "journeys.jsonl", vendor.sessions())
    return {
        "api_key": vendor.api_key,
        "conv_type_id": vendor.conv_type_id,
        "journeys_file": str(sessions),
    }


PIPELINES = (
    Pipeline("ecdp", TapEcdp, _ecdp),
    Pipeline("adtraction", TapAdtraction, _adtraction),
    Pipeline(
        "ignite",
        TapIgnite,
        _ignite,
        unclaimed=frozenset({"visitors", "products", "locations", "location_details"}),
        volatile=frozenset({"window_start"}),
    ),
    Pipeline("attribution-io", TapAttributionIo, _attribution_io),
    Pipeline("ihc", TapIhc, _ihc, volatile=frozenset({"computed_at"})),
)


def shrink(sandbox: Sandbox) -> None:
    """Reduce the data, so that a run takes a second."""
    sandbox.ecdp.orders_per_day = 5
    vendor = sandbox.adtraction
    vendor.quota.limit, vendor.quota.limits = 10**6, {}
    vendor.feed_sizes, vendor.product_bytes = (12, 20, 0, 9), 50
    sizes = sandbox.ignite.sizes
    sizes.visitors, sizes.products, sizes.locations = 60, 5, 3
    sizes.audiences, sizes.audience_groups, sizes.members, sizes.sales = 8, 4, 12, 40
    sandbox.attribution_io.customer_count = 40


@contextmanager
def at_the_sandbox(share: float) -> Iterator[Sandbox]:
    """Open a small sandbox whose vendors withdraw a share each day, and whose day the taps use."""
    with pytest.MonkeyPatch.context() as patch, Sandbox(seed=7, today=TODAY) as sandbox:
        shrink(sandbox)
        sandbox.withdraw_daily(share)

        class SandboxTime(datetime):
            @classmethod
            @override
            def now(cls, tz: tzinfo | None = None) -> Self:
                moment = datetime.combine(sandbox.clock.today, time(23, 59), UTC)
                return cls.fromtimestamp(moment.timestamp(), tz)

        for module in (tap_ecdp.readers, tap_ignite.snapshot):
            patch.setattr(module, "datetime", SandboxTime)
        yield sandbox


def extract(
    pipeline: Pipeline, sandbox: Sandbox, folder: Path, state: Any = None, **more: Any
) -> Output:
    """Run a tap at the sandbox, with more settings than its own."""
    settings = {
        "api_url": pipeline.vendor(sandbox).url,
        "max_retries": 2,
        "request_timeout": 10,
        **pipeline.settings(sandbox, folder),
        **more,
    }
    return run_here(pipeline.tap, settings, state=state or {})


@dataclass
class Days:
    """A pipeline into a schema of a warehouse, with the state between its runs."""

    pipeline: Pipeline
    sandbox: Sandbox
    warehouse: Warehouse
    schema: str = "daily"
    more: Mapping[str, Any] = field(default_factory=dict)
    state: Any = None
    streams: set[str] = field(default_factory=set)

    def extract(self) -> Output:
        """Run the tap."""
        output = extract(
            self.pipeline, self.sandbox, self.warehouse.folder, state=self.state, **self.more
        )
        self.streams |= {message["stream"] for message in output.of("SCHEMA")}
        return output

    def load(self, output: Output, *, fails: bool = False, **settings: Any) -> Run:
        """Load the output of the tap, and keep the state."""
        run = self.warehouse.load(
            *output.stdout.decode().splitlines(),
            default_target_schema=self.schema,
            add_record_metadata=True,
            fails=fails,
            **settings,
        )
        if run.states:
            self.state = run.states[-1]
        return run

    def run(self, **settings: Any) -> None:
        """Run the tap and the loader, which both must succeed."""
        output = self.extract()
        assert (output.code, output.stderr) == (0, "")
        self.load(output, **settings)

    def fresh(self, schema: str = "fresh") -> Days:
        """Load the current data into another schema."""
        other = Days(self.pipeline, self.sandbox, self.warehouse, schema, self.more)
        other.run()
        return other

    def rows(self, stream: str) -> list[dict[str, Any]]:
        """Return the live rows of a stream, without metadata and volatile columns."""
        path = self.warehouse.path(self.schema, stream)
        with self.warehouse.connected() as connection:
            found = connection.execute(f"SELECT * FROM {path}")
            names = [column[0] for column in found.description or ()]
            rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
        return [
            {
                name: value
                for name, value in row.items()
                if not name.startswith("_sdc_") and name not in self.pipeline.volatile
            }
            for row in rows
            if row.get("_sdc_deleted_at") is None
        ]

    def tables(self) -> Tables:
        """Return the sorted rows of all streams with claims."""
        claimed = sorted(self.streams - self.pipeline.unclaimed)
        return {name: sorted(map(str, self.rows(name))) for name in claimed}


def differences(found: Tables, expected: Tables) -> dict[str, tuple[list[str], list[str]]]:
    """Return, for each table that differs, the first rows too many and the first missing rows."""
    return {
        name: (
            sorted(set(found[name]) - set(rows))[:3],
            sorted(set(rows) - set(found[name]))[:3],
        )
        for name, rows in expected.items()
        if found[name] != rows
    }
