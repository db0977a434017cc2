from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tap_adtraction.tap import TapAdtraction
from tap_attribution_io.tap import TapAttributionIo
from tap_ecdp.tap import TapEcdp
from tap_ignite.tap import TapIgnite
from tap_ihc.tap import TapIhc

from attribution_elt.checks.accounts import Kept, finding, probes
from attribution_elt.checks.findings import Finding
from attribution_elt.kit.tap import VendorTap
from attribution_elt.sandbox import Sandbox
from attribution_elt.sandbox.faults import Fault
from tests.operating import TAP_TYPES, extractor

TODAY = datetime.now(UTC).date()


def findings(sandbox: Sandbox, tap: type[VendorTap], **changes: object) -> list[Finding]:
    return [finding(probe) for probe in probes(extractor(sandbox, tap, **changes), Kept())]


@pytest.mark.parametrize("tap", [each for each in TAP_TYPES if each is not TapIhc])
def test_a_valid_account_passes_with_one_small_request(
    sandbox: Sandbox, tap: type[VendorTap]
) -> None:
    vendor = sandbox.vendors[tap.name.removeprefix("tap-")]
    found = findings(sandbox, tap)
    assert [each.problems for each in found] == [[]] * len(found)
    assert all(each.facts[0] == "credentials are valid" for each in found)
    assert len(vendor.requests) == len(found)


@pytest.mark.parametrize("tap", [each for each in TAP_TYPES if each is not TapIhc])
@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_are_reported_with_the_setting_to_check(
    sandbox: Sandbox, tap: type[VendorTap], status: int
) -> None:
    sandbox.vendors[tap.name.removeprefix("tap-")].faults.add(
        Fault("status", status=status, times=None)
    )
    for found in findings(sandbox, tap):
        (problem,) = found.problems
        assert f"returned {status}: check the setting" in problem
        assert "credentials are valid" not in found.facts


def test_ihc_is_not_requested_because_that_costs_quota(sandbox: Sandbox, tmp_path: Path) -> None:
    journeys = tmp_path / "journeys.csv"
    journeys.write_text("")
    (found,) = findings(sandbox, TapIhc, journeys_file=str(journeys))
    assert found.facts == ["settings are valid; no request sent, because each costs quota"]
    assert sandbox.ihc.requests == []


def test_a_wrong_setting_is_a_problem_without_a_request(sandbox: Sandbox) -> None:
    (found,) = findings(sandbox, TapEcdp, max_retries="often", start_date="soon")
    assert [each.partition(":")[0] for each in found.problems] == [
        "setting 'max_retries'",
        "setting 'start_date'",
    ]
    assert sandbox.ecdp.requests == []


def test_an_unknown_customer_proves_valid_credentials(sandbox: Sandbox) -> None:
    (found,) = findings(sandbox, TapAttributionIo)
    assert found.passed
    assert [each.status for each in sandbox.attribution_io.requests] == [404]


def test_a_404_of_a_vendor_that_does_not_document_it_is_a_problem(sandbox: Sandbox) -> None:
    (found,) = findings(sandbox, TapEcdp, api_url=f"{sandbox.url}/ecdp/v9")
    assert found.problems == ["ECDP, credentials: returned 404: Not Found"]


def test_the_remaining_quota_is_shown(sandbox: Sandbox) -> None:
    partner, client = findings(sandbox, TapAdtraction)
    assert "29 of 30 requests left in the quota window" in partner.facts
    assert "9 of 10 requests left in the quota window" in client.facts


def test_one_market_is_enough(sandbox: Sandbox) -> None:
    assert all(
        each.passed
        for each in findings(sandbox, TapAdtraction, markets=list(sandbox.adtraction.markets)[:1])
    )


def test_a_used_up_quota_asks_to_try_later(sandbox: Sandbox) -> None:
    sandbox.adtraction.faults.add(Fault("status", status=429, times=None))
    for found in findings(sandbox, TapAdtraction):
        assert found.problems[0].endswith("returned 429: the quota is used up, try later")


@pytest.mark.parametrize(("skew", "side"), [(600, "ahead of"), (-600, "behind")])
def test_a_wrong_clock_is_a_problem(sandbox: Sandbox, skew: float, side: str) -> None:
    sandbox.ecdp.clock_skew = skew
    (found,) = findings(sandbox, TapEcdp)
    (problem,) = found.problems
    seconds = int(problem.partition("clock is ")[2].partition(" s")[0])
    assert abs(seconds - 600) <= 2
    assert f"{side} this machine's" in problem


def test_a_small_difference_of_clocks_is_not_a_problem(sandbox: Sandbox) -> None:
    sandbox.ecdp.clock_skew = 5
    (found,) = findings(sandbox, TapEcdp)
    assert any(each.startswith("clocks differ by") for each in found.facts)


def test_a_refused_connection_is_a_problem(sandbox: Sandbox) -> None:
    (found,) = findings(sandbox, TapEcdp, api_url="http://127.0.0.1:9/ecdp")
    assert found.problems == ["ECDP, credentials: connection refused"]


def reach(sandbox: Sandbox, bookmark_age: int, **changes: object) -> list[Finding]:
    """Return the findings about websites whose last run was so many days ago."""
    account = extractor(sandbox, TapIgnite, **changes)
    day = (TODAY - timedelta(days=bookmark_age)).isoformat()
    units = {site.name: day for site in sandbox.ignite.websites}
    tap = TapIgnite(config=dict(account.settings))
    streams = [name for name in tap.streams if name != "location_details"]
    state = {"bookmarks": {name: {"units": units} for name in streams}}
    catalog = tap.catalog_dict
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            if not entry["breadcrumb"]:
                entry["metadata"]["selected"] = stream["stream"] in streams
    return [finding(probe) for probe in probes(account, Kept(state, catalog))]


def test_lost_days_are_counted(sandbox: Sandbox) -> None:
    for found in reach(sandbox, bookmark_age=65):
        (problem,) = found.problems
        wanted, earliest = TODAY - timedelta(days=66), TODAY - timedelta(days=59)
        assert problem == (
            f"7 days from {wanted} are lost: Ignite drops data from before {earliest}; "
            "run the tap before more are lost"
        )


def test_days_that_will_be_lost_soon_are_a_problem(sandbox: Sandbox) -> None:
    for found in reach(sandbox, bookmark_age=55):
        (problem,) = found.problems
        assert problem.startswith("run the tap within 3 days: it needs data since")


@pytest.mark.parametrize("snapshot_days", [30, 59])
def test_a_recent_bookmark_is_not_a_problem(sandbox: Sandbox, snapshot_days: int) -> None:
    for found in reach(sandbox, bookmark_age=1, snapshot_days=snapshot_days):
        assert found.problems == []
        assert "57 days until the vendor drops data that the next run needs" in found.facts
