"""Small accounts at all vendors, and the rows that a warehouse must contain."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
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
from attribution_elt.sandbox.ihc.journeys import journeys
from attribution_elt.sandbox.vendor import Vendor
from tests.invalid_journeys import invalid_journeys
from tests.pipeline.expected import Stream
from tests.pipeline.meltano import settings
from tests.taps.tap_adtraction import helpers as adtraction
from tests.taps.tap_attribution_io import helpers as attribution_io
from tests.taps.tap_ecdp import helpers as ecdp
from tests.taps.tap_ignite import helpers as ignite
from tests.taps.tap_ihc import helpers as ihc

DAYS = 20
"""Days with data."""
LATER = 6
"""Days of withdrawals between a complete load and the next one."""
SNAPSHOT_DAYS = 30
"""The window of Ignite's members, the default of the setting `snapshot_days`."""
UNCLAIMED = {"visitors", "products", "locations", "location_details"}
"""Ignite's streams without claims: their rows stay in the tables when they leave the window."""
UNKNOWN_TO_VENDORS = {"reason", "window_start", "computed_at", "parameters"}
"""Columns that the tap adds and that the vendors' truth does not contain."""

Key = tuple[Any, ...]
Row = dict[str, Any]
Covers = Callable[[Mapping[str, Any], Row], bool]
"""Whether a stream's bookmark covers a row."""


@dataclass
class Account:
    """A tap with its settings, and the true rows of its tables.

    Attributes:
        expected: Returns the true rows of each stream on the sandbox's day.
        truth: The true rows of each stream by key.
        past: The true rows before the last withdrawals; empty without any.
    """

    tap: str
    kind: type[VendorTap]
    sandbox: Sandbox
    settings: dict[str, Any]
    covers: Covers
    expected: Callable[[], Mapping[str, Iterable[Row]]]
    streams: dict[str, Stream] = field(default_factory=dict)
    truth: dict[str, dict[Key, Row]] = field(default_factory=dict)
    past: dict[str, dict[Key, Row]] = field(default_factory=dict)

    @property
    def vendor(self) -> Vendor:
        return self.sandbox.vendors[self.tap.removeprefix("tap-")]

    def refresh(self) -> None:
        """Compute the true rows of each stream."""
        rows = self.expected()
        for name, described in self.kind(config=self.settings).streams.items():
            stream = Stream(described.schema["properties"], list(described.primary_keys))
            self.streams[name] = stream
            self.truth[name] = dict(
                identified(stream, (stream.typed(_as_sent(row)) for row in rows[name]))
            )

    def begin(self) -> None:
        """Go back to the sandbox's first day."""
        clock = self.sandbox.clock
        if clock.today != clock.start:
            clock.today = clock.start
            self.vendor.discard_data()
            self.past = {}
            self.refresh()

    def withdraw(self) -> bool:
        """Move forward by some days of withdrawals; return whether the vendor makes any."""
        if not self.vendor.withdrawals.share:
            return False
        self.past = dict(self.truth)
        self.sandbox.advance(LATER)
        self.refresh()
        return True

    def is_true(self, stream: str, key: Key, row: Row) -> bool:
        """Return whether a row is true today or was before the withdrawals."""
        return row in (self.truth[stream].get(key), self.past.get(stream, {}).get(key))

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
        sent = {k: v for k, v in row.items() if v is not None and k not in UNKNOWN_TO_VENDORS}
        key: Key = tuple(row[name] for name in stream.keys)
        if "sale_key" in stream.keys:
            sent.pop("sale_key", None)
            same = (row["website"], json.dumps(row["_extra"], sort_keys=True, default=str))
            seen[same] += 1
            key = (*same, seen[same])
        yield key, sent


def _as_sent(row: Row) -> Row:
    return {k: v.isoformat() if isinstance(v, date) else v for k, v in row.items()}


@contextmanager
def open_accounts(folder: Path, seed: int, share: float = 0.0) -> Iterator[list[Account]]:
    """Open an account at each vendor; the vendors withdraw a share of their records each day.

    The sandboxes end on the real day, because taps are separate processes.
    """
    today = datetime.now(UTC).date()
    with ExitStack() as stack:
        accounts = []
        for make in (_ecdp, _adtraction, _ignite, _attribution_io, _ihc):
            first_day = today - timedelta(LATER) if share else today
            sandbox = stack.enter_context(Sandbox(seed=seed, today=first_day))
            sandbox.withdraw_daily(share)
            _shrink(sandbox)
            account = make(sandbox, folder)
            account.settings = settings(sandbox)[account.tap] | account.settings
            account.settings["max_retries"] = 2
            account.refresh()
            accounts.append(account)
        yield accounts


def _ecdp(sandbox: Sandbox, _: Path) -> Account:
    # claims leave out the first day, so it has no orders
    start = sandbox.ecdp.first_day - timedelta(1)
    # withdrawals change orders of the last 30 days
    lookback = 30 if sandbox.ecdp.withdrawals.share else 4
    given = {"start_date": str(start), "window_days": 3, "lookback_days": lookback}

    def expected() -> Mapping[str, Iterable[Row]]:
        orders = sandbox.ecdp.truth()
        return {
            ecdp.ORDERS: ecdp.expected_orders(orders).values(),
            ecdp.LINES: ecdp.expected_lines(orders).values(),
        }

    return Account("tap-ecdp", TapEcdp, sandbox, given, _of_day, expected)


def _adtraction(sandbox: Sandbox, _: Path) -> Account:
    def expected() -> Mapping[str, Iterable[Row]]:
        return adtraction.expected(sandbox.adtraction)

    return Account("tap-adtraction", TapAdtraction, sandbox, {}, _of_feed, expected)


def _ignite(sandbox: Sandbox, _: Path) -> Account:
    today = datetime.now(UTC).date()
    since = today - timedelta(DAYS)
    # each run has the same window, independent of the last one
    given = {"start_date": str(since), "lookback_days": DAYS, "hash_algorithms": ["md5"]}

    def expected() -> Mapping[str, Iterable[Row]]:
        found: dict[str, list[Row]] = {name: [] for name in ignite.KEYS}
        for site in sandbox.ignite.websites:
            snapshot = today - timedelta(SNAPSHOT_DAYS)
            for name, rows in ignite.expected(site, since, snapshot=snapshot).items():
                found[name] += rows.values()
            for name in ignite.SALES:
                found[name] += [
                    {"website": site.name, "sale_key": "", "_extra": sale}
                    for sale in site.sales()[name]
                ]
        return found

    return Account("tap-ignite", TapIgnite, sandbox, given, _of_website, expected)


def _attribution_io(sandbox: Sandbox, _: Path) -> Account:
    def expected() -> Mapping[str, Iterable[Row]]:
        customers = attribution_io.expected(sandbox.attribution_io.truth())
        return {name: rows.values() for name, rows in customers.items()}

    return Account("tap-attribution-io", TapAttributionIo, sandbox, {}, _of_customer, expected)


def _ihc(sandbox: Sandbox, folder: Path) -> Account:
    vendor, until = sandbox.ihc, sandbox.clock.start
    made = list(journeys(14, until, days=DAYS, seed=sandbox.seed, lengths={range(2, 9): 1}))
    invalid = invalid_journeys(until)["30 February"]
    failure = {
        "conv_type_id": vendor.conv_type_id,
        "conversion_id": invalid[1]["conversion_id"],
        "session_id": invalid[1]["session_id"],
    }
    path = folder / "journeys.jsonl"

    def expected() -> Mapping[str, Iterable[Row]]:
        kept = [
            row
            for row in made
            if row["conversion"] or not vendor.is_gone("session", row["session_id"])
        ]
        ihc.file_of(path, [*kept, *invalid])
        return {"attributions": ihc.expected(vendor, kept).values(), "failures": [failure]}

    given = {"journeys_file": str(path), "max_journeys_per_request": 4}
    return Account("tap-ihc", TapIhc, sandbox, given, _of_conversion, expected)


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


def _of_day(progress: Mapping[str, Any], row: Row) -> bool:
    held = progress.get("replication_key_value")
    return held is not None and row["order_date_time"].date() <= instant(held).date()


def _of_feed(progress: Mapping[str, Any], row: Row) -> bool:
    name = f"{row.get('channel_id')}:{row.get('program_id')}:{row.get('feed_id')}"
    held = progress.get("units", {}).get(name)
    return held is not None and row["feed_last_updated"] <= instant(held)


def _of_website(progress: Mapping[str, Any], row: Row) -> bool:
    return row["website"] in progress.get("units", {})


@cache
def _customer_order() -> CustomerOrder:
    return CustomerOrder(Sandbox().attribution_io.secret)


def _of_customer(progress: Mapping[str, Any], row: Row) -> bool:
    ((place, _),) = _customer_order().sorted([row["client_id"]]).after("")
    return place <= progress.get("after", "") or bool(progress.get("completed"))


def _of_conversion(progress: Mapping[str, Any], row: Row) -> bool:
    held = progress.get("replication_key_value")
    converted = row.get("conversion_timestamp")
    return held is not None and converted is not None and converted <= instant(held)
