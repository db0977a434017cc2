"""Records that the vendors withdraw, move, merge and recompute as days pass."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from copy import deepcopy
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
import requests

from attribution_elt.sandbox import Sandbox
from attribution_elt.sandbox.attribution_io.timeline import MOST_TOUCHPOINTS
from attribution_elt.sandbox.withdrawals import Withdrawals

TODAY = date(2026, 3, 31)
SHARE = 0.02
VENDORS = ("ecdp", "adtraction", "ignite", "attribution-io")


@pytest.fixture
def withdrawing(sandbox: Sandbox) -> Sandbox:
    sandbox.withdraw_daily(SHARE)
    sandbox.adtraction.product_bytes = 50
    return sandbox


def ids(truth: Any, *path: str) -> set[str]:
    """The `path` of every object in a document that has it, as text."""
    return {str([each[name] for name in path]) for each in objects(truth) if set(path) <= set(each)}


def objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, (dict, list)):
            yield from objects(inner)


@pytest.mark.parametrize("name", VENDORS)
def test_past_days_can_be_requested(withdrawing: Sandbox, name: str) -> None:
    vendor = withdrawing.vendors[name]
    seen = {}
    for _ in range(4):
        seen[withdrawing.clock.today] = deepcopy(vendor.truth())
        withdrawing.advance(3)
    assert len({str(truth) for truth in seen.values()}) == len(seen)
    for day, truth in seen.items():
        assert vendor.on(day).truth() == truth
    assert vendor.on(withdrawing.clock.today).truth() == vendor.truth()


@pytest.mark.parametrize("days", [-1, 1])
def test_days_outside_the_sandbox_are_refused(withdrawing: Sandbox, days: int) -> None:
    with pytest.raises(ValueError, match="is not between"):
        withdrawing.ecdp.on(TODAY + timedelta(days))


@pytest.mark.parametrize("name", VENDORS)
def test_the_same_seed_withdraws_the_same_records(withdrawing: Sandbox, name: str) -> None:
    withdrawing.advance(9)
    with Sandbox(seed=withdrawing.seed, today=TODAY) as other:
        other.withdraw_daily(SHARE)
        other.adtraction.product_bytes = 50
        for _ in range(9):
            other.advance()
            other.vendors[name].truth()
        assert other.vendors[name].truth() == withdrawing.vendors[name].truth()


@pytest.mark.parametrize("name", VENDORS)
def test_explicit_withdrawals_have_past_days_too(sandbox: Sandbox, name: str) -> None:
    """On the day before a withdrawal, the record is still there."""
    sandbox.advance()
    withdraw_something(sandbox, name)
    vendor = sandbox.vendors[name]
    sandbox.advance()
    assert vendor.on(TODAY).truth() != vendor.on(TODAY + timedelta(1)).truth()
    with Sandbox(seed=sandbox.seed, today=TODAY) as untouched:
        assert vendor.on(TODAY).truth() == untouched.vendors[name].truth()


def withdraw_something(sandbox: Sandbox, name: str) -> None:
    match name:
        case "ecdp":
            order = sandbox.ecdp.truth()[-1]
            sandbox.ecdp.move(order["websiteId"], order["orderId"], TODAY - timedelta(9))
        case "adtraction":
            assert sandbox.adtraction.set_status(800_000_002, 1, None)
            sandbox.adtraction.change_feed(1_000_000)
        case "ignite":
            sandbox.ignite.withdraw("website_1", "audiences", 20001)
        case "attribution-io":
            sandbox.attribution_io.merge("customer-1", "anna+news.2@example.com")


def test_orders_are_deleted_moved_and_returned(withdrawing: Sandbox) -> None:
    vendor = withdrawing.ecdp
    vendor.restated_share = 0
    every: set[tuple[int, str]] = set()
    deleted: set[tuple[int, str]] = set()
    returned: set[tuple[int, str]] = set()
    moved = 0
    dates: dict[tuple[int, str], str] = {}
    for _ in range(20):
        now = {(row["websiteId"], row["orderId"]): row["orderDateTime"] for row in vendor.truth()}
        returned |= deleted & set(now)
        deleted |= every - set(now)
        moved += sum(dates.get(key, day) != day for key, day in now.items())
        every |= set(now)
        dates = now
        withdrawing.advance()
    assert len(deleted) > 50
    assert 5 < len(returned) < len(deleted) / 2
    assert moved > 50


def test_only_recent_orders_change(withdrawing: Sandbox) -> None:
    """A tap that reads 30 days again sees every change."""
    vendor = withdrawing.ecdp
    for _ in range(15):
        before = {(row["websiteId"], row["orderId"]): row for row in vendor.truth()}
        today = withdrawing.clock.today
        withdrawing.advance()
        after = {(row["websiteId"], row["orderId"]): row for row in vendor.truth()}
        for key, row in before.items():
            if after.get(key) != row:
                assert date.fromisoformat(row["orderDateTime"][:10]) >= today - timedelta(31)


def test_orders_lose_lines_and_their_sums_follow(withdrawing: Sandbox) -> None:
    vendor = withdrawing.ecdp
    before = {(row["websiteId"], row["orderId"]): row for row in vendor.truth()}
    withdrawing.advance(10)
    fewer = 0
    for row in vendor.truth():
        lines = row["orderDetails"]
        assert row["productsCount"] == len(lines) >= 1
        total = sum((each["price"] * each["quantity"] for each in lines), Decimal())
        if row["websiteId"] != 21:
            assert row["originalTotalValue"] == total
        old = before.get((row["websiteId"], row["orderId"]))
        fewer += old is not None and len(lines) < old["productsCount"]
    assert fewer > 10


def test_programs_commissions_feeds_products_and_channels_vanish(withdrawing: Sandbox) -> None:
    vendor = withdrawing.adtraction
    before = deepcopy(vendor.truth())
    withdrawing.advance(25)
    after = vendor.truth()
    for paths in (
        [("market", "programId")],
        [("feedId", "lastUpdated"), ("feedId",)],
        [("id", "transactionType")],
        [("sku", "productUrl")],
        [("affiliateId", "channelId")],
    ):
        path = paths[-1]
        assert ids(before, *path) - ids(after, *path), path


def test_a_feed_that_returns_has_not_changed(sandbox: Sandbox) -> None:
    vendor = sandbox.adtraction
    vendor.changed_feeds_share = 0
    channel = vendor.channel_ids[0]

    def feeds() -> dict[int, str]:
        programs = vendor.programs("SE", channel)
        return {
            feed["feedId"]: feed["lastUpdated"] for program in programs for feed in program["feeds"]
        }

    before = feeds()
    vendor.withdraw("feed", 1_000_000)
    assert before.keys() - feeds() == {1_000_000}
    sandbox.advance(3)
    vendor.restore("feed", 1_000_000)
    assert feeds() == before


def test_audiences_members_and_sales_are_withdrawn(withdrawing: Sandbox) -> None:
    before = deepcopy(withdrawing.ignite.truth())
    withdrawing.advance(5)
    after = withdrawing.ignite.truth()
    listed, emptied, members, changed = 0, 0, 0, 0
    for name, old in before.items():
        new = after[name]
        for kind in ("audiences", "audience_groups"):
            now = {row["id"] for row in new[kind]}
            listed += len({row["id"] for row in old[kind]} - now)
            emptied += len(new[kind]) < len(old[kind])
        for kind in ("audience_members", "audience_group_members"):
            for number, hashes in old[kind].items():
                members += len(set(hashes) - set(new[kind].get(number) or hashes))
        numbers = Counter(str(row.get("id", row.get("sale_id"))) for row in old["sales"])
        numbers.subtract(str(row.get("id", row.get("sale_id"))) for row in new["sales"])
        listed += sum(count > 0 for count in numbers.values())
        amounts = {row["id"]: row["amount"] for row in old["sales"] if "id" in row}
        changed += sum(
            amounts.get(row.get("id"), row["amount"]) != row["amount"] for row in new["sales"]
        )
    assert listed > 4
    assert emptied
    assert members > 20
    assert changed


def test_customers_are_merged_and_deleted(withdrawing: Sandbox) -> None:
    vendor = withdrawing.attribution_io
    before = {row["client_id"]: row for row in deepcopy(vendor.truth())}
    withdrawing.advance(20)
    merged, deleted = 0, 0
    for client_id in before:
        try:
            new = vendor.customer(client_id)
        except KeyError:
            deleted += 1
            continue
        if new["client_id"] != client_id:
            merged += 1
            assert {row["client_customer_id"] for row in new["events"]} <= {new["id"]}
    assert merged > 3
    assert deleted > 8
    answered = [row["client_id"] for row in vendor.truth()]
    assert len(answered) == len(set(answered)) == len(before) - merged - deleted


def test_a_merged_customer_has_the_events_of_both(sandbox: Sandbox) -> None:
    vendor = sandbox.attribution_io
    parts = [vendor.customer(each) for each in ("customer-1", "anna+news.2@example.com")]
    vendor.merge("customer-1", "anna+news.2@example.com")
    whole = vendor.customer("customer-1")
    assert whole["client_id"] == "anna+news.2@example.com"
    for name in ("events", "touchpoints", "pageviews"):
        assert ids(whole[name], "id") == ids([row for part in parts for row in part[name]], "id")
    assert whole["summary"]["events_count"] == len(whole["events"])
    with pytest.raises(KeyError):
        vendor.merge("nobody", "customer-1")


def test_attributions_are_recomputed_under_new_ids(withdrawing: Sandbox) -> None:
    """The weights of an event add up to 100 on every day, and an id always has one meaning."""
    vendor = withdrawing.attribution_io
    meanings: dict[int, tuple[Any, ...]] = {}
    ids_of: defaultdict[int, set[int]] = defaultdict(set)
    for _ in range(6):
        for customer in vendor.truth():
            touchpoints = {row["id"] for row in customer["touchpoints"]}
            for event in customer["events"]:
                outputs = event["attribution_model_outputs"]
                total = sum((Decimal(each["weight"]) for each in outputs), Decimal())
                assert not outputs or abs(total - 100) < Decimal("1e-9")
                assert {each["touchpoint_id"] for each in outputs} <= touchpoints
                for each in outputs:
                    meaning = (event["id"], each["touchpoint_id"], each["weight"])
                    assert meanings.setdefault(each["id"], meaning) == meaning
                    ids_of[event["id"]].add(each["id"])
        withdrawing.advance(5)
    assert sum(len(found) > MOST_TOUCHPOINTS for found in ids_of.values()) > 20


def test_an_explicit_recomputation(sandbox: Sandbox) -> None:
    vendor = sandbox.attribution_io
    before = {event["id"]: event for row in vendor.truth() for event in row["events"]}
    event_id = next(
        each for each in before if before[each]["attribution_model_outputs"] and each > 17
    )
    vendor.recompute(event_id)
    after = {event["id"]: event for row in vendor.truth() for event in row["events"]}
    changed = [each for each in before if before[each] != after[each]]
    assert changed == [event_id]
    old, new = (each[event_id]["attribution_model_outputs"] for each in (before, after))
    assert not {each["id"] for each in old} & {each["id"] for each in new}
    assert [each["weight"] for each in old] == [each["weight"] for each in new]


def test_parts_of_a_timeline_are_withdrawn(withdrawing: Sandbox) -> None:
    before = deepcopy(withdrawing.attribution_io.truth())
    withdrawing.advance(4)
    after = {row["client_id"]: row for row in withdrawing.attribution_io.truth()}
    gone: Counter[str] = Counter()
    for old in before:
        new = after.get(old["client_id"], old)
        for name in ("events", "pageviews", "touchpoints"):
            gone[name] += len(ids(old[name], "id") - ids(new[name], "id"))
        gone["identities"] += max(0, len(old["identities"]) - len(new["identities"]))
        if new["client_id"] != "MrSmith":  # the document's summary counts no pageviews
            assert new["summary"]["pageviews_count"] == len(new["pageviews"])
            assert new["summary"]["touchpoints_count"] == len(new["touchpoints"])
    assert min(gone[name] for name in ("events", "pageviews", "touchpoints", "identities")) > 2


def test_journeys_lose_sessions_but_not_the_conversion(withdrawing: Sandbox) -> None:
    vendor = withdrawing.ihc
    before = vendor.sessions()
    withdrawing.advance(10)
    after = vendor.sessions()
    assert len(before) * 0.7 < len(after) < len(before) * 0.95
    assert {row["conversion_id"] for row in before} == {row["conversion_id"] for row in after}
    assert sum(row["conversion"] for row in after) == vendor.journey_count
    assert vendor.on(TODAY).sessions() == before
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for row in vendor.credits_of(after):
        sums[row["conversion_id"]] += row["ihc"]
    assert set(sums.values()) == {Decimal(1)}


@pytest.mark.parametrize("name", VENDORS)
def test_an_emptied_vendor_returns_no_rows(sandbox: Sandbox, name: str) -> None:
    vendor = sandbox.vendors[name]
    assert any(objects(vendor.truth()))
    vendor.emptied = True
    assert not [each for each in objects(vendor.truth()) if set(each) & {"id", "orderId"}]
    vendor.emptied = False
    assert any(objects(vendor.truth()))


def test_the_control_endpoint_returns_past_days(withdrawing: Sandbox) -> None:
    withdrawing.advance(2)

    def truth(day: str) -> requests.Response:
        url = f"{withdrawing.url}/_sandbox/truth/ecdp"
        return requests.get(url, params={"day": day} if day else {}, timeout=10)

    assert len(truth(str(TODAY)).json()) == len(withdrawing.ecdp.on(TODAY).truth())
    assert len(truth("").json()) == len(withdrawing.ecdp.truth())
    for wrong in ("2026-03-30", "2027-01-01", "today"):
        assert truth(wrong).status_code == 400


class TestWithdrawals:
    """The daily chance of a withdrawal."""

    def make(self, share: float) -> Withdrawals:
        with Sandbox(today=TODAY) as sandbox:
            sandbox.ecdp.withdrawals.share = share
            return sandbox.ecdp.withdrawals

    def test_a_share_of_the_records_is_withdrawn_each_day(self) -> None:
        withdrawals = self.make(0.05)
        day = TODAY + timedelta(1)
        assert 25 < sum(withdrawals.changes(day, number) for number in range(1000)) < 80

    def test_nothing_is_withdrawn_without_a_share(self) -> None:
        withdrawals = self.make(0)
        assert not any(withdrawals.changes(date.max, number) for number in range(100))
        assert withdrawals.occurrences(date.max, 1) == 0

    def test_changes_stop_after_some_days(self) -> None:
        withdrawals = self.make(0.3)
        days = [TODAY + timedelta(number) for number in range(40)]
        for number in range(50):
            changes = [withdrawals.changes(day, number, since=TODAY, days=10) for day in days]
            assert changes == sorted(changes)
            assert set(changes[10:]) == {changes[10]}

    def test_withdrawing_twice_changes_nothing(self) -> None:
        withdrawals = self.make(0)
        for gone, expected in ((True, 1), (True, 1), (False, 2), (False, 2), (True, 3)):
            withdrawals.toggle(TODAY, "record", gone=gone)
            assert withdrawals.changes(TODAY, "record") == expected
        assert withdrawals.changes(TODAY - timedelta(1), "record") == 0
