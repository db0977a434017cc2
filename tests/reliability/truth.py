"""Small accounts at all vendors, and the rows that a warehouse must contain."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from tap_adtraction.tap import TapAdtraction
from tap_attribution_io.customer_ids import CustomerOrder
from tap_attribution_io.tap import TapAttributionIo
from tap_ecdp.tap import TapEcdp
from tap_ignite.tap import TapIgnite
from tap_ihc.tap import TapIhc

from attribution_elt.core.dates import instant
from attribution_elt.kit.tap import VendorTap
from attribution_elt.sandbox import Sandbox
from attribution_elt.sandbox.ihc.journeys import invalid_journeys, journeys
from attribution_elt.sandbox.vendor import Vendor
from tests.pipeline.expected import Stream
from tests.pipeline.meltano import settings
from tests.taps.tap_adtraction import helpers as adtraction
from tests.taps.tap_attribution_io import helpers as attribution_io
from tests.taps.tap_ecdp import helpers as ecdp
from tests.taps.tap_ignite import helpers as ignite
from tests.taps.tap_ihc import helpers as ihc

DAYS = 20
"""Days with data."""
UNKNOWN_TO_VENDORS = {"reason", "window_start", "computed_at", "parameters"}
"""Columns that the tap adds and that the vendors' truth does not contain."""

Key = tuple[Any, ...]
Row = dict[str, Any]
Covers = Callable[[Mapping[str, Any], Row], bool]
"""Whether a stream's bookmark covers a row."""


@dataclass
class Account:
    """A tap with its settings, and the true rows of its tables."""

    tap: str
    vendor: Vendor
    settings: dict[str, Any]
    covers: Covers
    streams: dict[str, Stream] = field(default_factory=dict)
    truth: dict[str, dict[Key, Row]] = field(default_factory=dict)

    def set_truth(self, kind: type[VendorTap], rows: Mapping[str, Iterable[Row]]) -> None:
        """Set the true rows of each stream."""
        for name, told in kind(config=self.settings).streams.items():
            stream = Stream(told.schema["properties"], list(told.primary_keys))
            self.streams[name] = stream
            self.truth[name] = dict(
                identified(stream, (stream.typed(_as_sent(row)) for row in rows[name]))
            )

    def promised(self, state: Mapping[str, Any]) -> Iterator[tuple[str, Key]]:
        """Yield the stream and the key of every row that a state covers."""
        bookmarks = state.get("bookmarks", {})
        for name, rows in self.truth.items():
            for key, row in rows.items():
                if self.covers(bookmarks.get(name, {}), row):
                    yield name, key


def identified(stream: Stream, rows: Iterable[Row]) -> Iterator[tuple[Key, Row]]:
    """Yield rows without nulls, each with its key.

    The tap makes the keys of sales; here, a sale's key is its content and its number among equals.
    """
    seen: Counter[Key] = Counter()
    for row in rows:
        told = {k: v for k, v in row.items() if v is not None and k not in UNKNOWN_TO_VENDORS}
        key: Key = tuple(row[name] for name in stream.keys)
        if "sale_key" in stream.keys:
            told.pop("sale_key", None)
            same = (row["website"], json.dumps(row["_extra"], sort_keys=True, default=str))
            seen[same] += 1
            key = (*same, seen[same])
        yield key, told


def _as_sent(row: Row) -> Row:
    return {k: v.isoformat() if isinstance(v, date) else v for k, v in row.items()}


@contextmanager
def open_accounts(folder: Path, seed: int) -> Iterator[list[Account]]:
    """Open an account at each vendor, on the real day, because taps are separate processes."""
    with Sandbox(seed=seed) as sandbox:
        yield list(_accounts(sandbox, folder))


def _accounts(sandbox: Sandbox, folder: Path) -> Iterator[Account]:
    _shrink(sandbox)
    sessions = [
        *journeys(
            14,
            sandbox.clock.today,
            days=DAYS,
            seed=sandbox.seed,
            lengths={range(2, 9): 1},
        ),
        *(invalid := invalid_journeys(sandbox.clock.today)["30 February"]),
    ]
    first = sandbox.clock.today - timedelta(DAYS)
    more: dict[str, dict[str, Any]] = {
        "tap-ecdp": {"window_days": 3, "lookback_days": 4},
        "tap-adtraction": {},
        # each run has the same window, independent of the last one
        "tap-ignite": {"start_date": str(first), "lookback_days": DAYS, "hash_algorithms": ["md5"]},
        "tap-attribution-io": {},
        "tap-ihc": {
            "journeys_file": str(ihc.file_of(folder / "journeys.jsonl", sessions)),
            "max_journeys_per_request": 4,
        },
    }
    every = settings(sandbox)
    of = {
        tap: Account(tap, _vendor(sandbox, tap), {**every[tap], **given, "max_retries": 2}, covers)
        for (tap, given), covers in zip(more.items(), COVERS, strict=True)
    }
    orders = sandbox.ecdp.truth()
    of["tap-ecdp"].set_truth(
        TapEcdp,
        {
            ecdp.ORDERS: ecdp.expected_orders(orders).values(),
            ecdp.LINES: ecdp.expected_lines(orders).values(),
        },
    )
    of["tap-adtraction"].set_truth(TapAdtraction, adtraction.expected(sandbox.adtraction))
    of["tap-ignite"].set_truth(TapIgnite, _ignite(sandbox, first))
    customers = attribution_io.expected(sandbox.attribution_io.truth())
    of["tap-attribution-io"].set_truth(
        TapAttributionIo, {name: rows.values() for name, rows in customers.items()}
    )
    good = [row for row in sessions if row not in invalid]
    failure = {
        "conv_type_id": sandbox.ihc.conv_type_id,
        "conversion_id": invalid[1]["conversion_id"],
        "session_id": invalid[1]["session_id"],
    }
    credits_ = ihc.expected(sandbox.ihc, good).values()
    of["tap-ihc"].set_truth(TapIhc, {"attributions": credits_, "failures": [failure]})
    yield from of.values()


def _vendor(sandbox: Sandbox, tap: str) -> Vendor:
    return sandbox.vendors[tap.removeprefix("tap-")]


def _shrink(sandbox: Sandbox) -> None:
    sandbox.ecdp.orders_per_day, sandbox.ecdp.history_days = 2, DAYS
    vendor = sandbox.adtraction
    vendor.quota.limit = 10**6
    vendor.quota.limits.clear()
    vendor.markets, vendor.feed_sizes, vendor.product_bytes = ("SE",), (5, 0, 3), 50
    sizes = sandbox.ignite.sizes
    sizes.visitors, sizes.products, sizes.members = 6, 4, 3
    sizes.locations, sizes.audiences, sizes.audience_groups, sizes.sales = 3, 3, 2, 9
    sandbox.attribution_io.customer_count = 8


def _ignite(sandbox: Sandbox, since: date) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {name: [] for name in ignite.KEYS}
    for site in sandbox.ignite.websites:
        for name, rows in ignite.expected(site, since).items():
            found[name] += rows.values()
        for name in ignite.SALES:
            found[name] += [
                {"website": site.name, "sale_key": "", "_extra": sale}
                for sale in site.sales()[name]
            ]
    return found


def _ecdp(progress: Mapping[str, Any], row: Row) -> bool:
    held = progress.get("replication_key_value")
    return held is not None and row["order_date_time"].date() <= instant(held).date()


def _adtraction(progress: Mapping[str, Any], row: Row) -> bool:
    name = f"{row.get('channel_id')}:{row.get('program_id')}:{row.get('feed_id')}"
    held = progress.get("units", {}).get(name)
    return held is not None and row["feed_last_updated"] <= instant(held)


def _website(progress: Mapping[str, Any], row: Row) -> bool:
    return row["website"] in progress.get("units", {})


@cache
def _customer_order() -> CustomerOrder:
    return CustomerOrder(Sandbox().attribution_io.secret)


def _customer(progress: Mapping[str, Any], row: Row) -> bool:
    ((place, _),) = _customer_order().sorted([row["client_id"]]).after("")
    return place <= progress.get("after", "") or bool(progress.get("completed"))


def _journey(progress: Mapping[str, Any], row: Row) -> bool:
    held = progress.get("replication_key_value")
    converted = row.get("conversion_timestamp")
    return held is not None and converted is not None and converted <= instant(held)


COVERS: tuple[Covers, ...] = (_ecdp, _adtraction, _website, _customer, _journey)
"""One function per account, in their order."""
