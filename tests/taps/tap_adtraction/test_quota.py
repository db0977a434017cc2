"""Quotas and concurrency in real time: the only tests here that wait for a vendor."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from typing import Any, Literal

import pytest

from attribution_elt.sandbox import Fault
from attribution_elt.sandbox.adtraction import Adtraction
from tests.tap_process import Output
from tests.taps.tap_adtraction.helpers import requests_for, run_here, settings

pytestmark = pytest.mark.alone

LIMIT = 10


@pytest.fixture
def quota(vendor: Adtraction) -> Adtraction:
    """Adtraction with little data, and ten requests per window."""
    vendor.quota.limit = LIMIT
    vendor.programs_per_market = 1
    vendor.feed_sizes = (0,)
    return vendor


def ask(vendor: Adtraction, requests: int, **more: Any) -> Output:
    """Request so many program lists."""
    vendor.channel_ids = range(1, requests // 2 + 1)
    vendor.truth()  # made before the clock runs
    config = settings(vendor, client_token=..., max_retries=8, **more)
    return run_here(config, catalog=None, state=unchanged(vendor))


def unchanged(vendor: Adtraction) -> dict[str, Any]:
    """Return a state with which no feed has to be downloaded."""
    far = "2100-01-01T00:00:00Z"
    units = {
        f"{channel}:{program['programId']}:{feed['feedId']}": far
        for market in vendor.markets
        for channel in vendor.channel_ids
        for program in vendor.programs(market, channel)
        for feed in program["feeds"]
    }
    return {"bookmarks": {"products": {"units": units}}}


def seconds(vendor: Adtraction) -> float:
    """Return the seconds from the first request to the last."""
    moments = [request.time for request in vendor.requests]
    return max(moments) - min(moments)


def refusals(vendor: Adtraction) -> int:
    return Counter(request.status for request in vendor.requests)[429]


@pytest.mark.parametrize(("foreign", "window"), [(0.0, 1.0), (0.3, 0.4)])
def test_sixty_requests_at_ten_a_window_are_never_refused_and_lose_no_time(
    quota: Adtraction, foreign: float, window: float
) -> None:
    quota.quota.window = window
    quota.quota.foreign_share = foreign
    output = ask(quota, 60)
    assert (output.code, len(output.records("programs"))) == (0, 60)
    assert len(quota.requests) == 60
    assert refusals(quota) == 0
    windows = math.ceil(60 / (LIMIT * (1 - foreign)))
    allowed = (windows - 1) * window
    assert allowed <= seconds(quota) < allowed * 1.15


@pytest.mark.parametrize("width", [1, 8])
def test_a_sliding_window_is_never_overdrawn(quota: Adtraction, width: int) -> None:
    quota.quota.window = 0.3
    quota.quota.sliding = True
    output = ask(quota, 40, max_concurrent_requests=width)
    assert (output.code, len(output.records("programs"))) == (0, 40)
    assert refusals(quota) == 0
    assert seconds(quota) < 3 * 0.3 * 1.5


@pytest.mark.parametrize(("unit", "skew"), [("ms", 300), ("ms", -300), ("s", -300)])
def test_a_vendor_s_clock_may_be_off_by_minutes_either_way(
    quota: Adtraction, unit: Literal["ms", "s"], skew: float
) -> None:
    quota.quota.window = 0.5
    quota.quota.reset_unit = unit
    quota.clock_skew = skew
    output = ask(quota, 20)
    assert (output.code, len(output.records("programs"))) == (0, 20)
    assert refusals(quota) == 0
    # whole seconds, of a reset or of a Date, cost one second more at most
    assert seconds(quota) < 2.5


def test_requests_of_another_client_cause_no_refusal(quota: Adtraction) -> None:
    quota.quota.window = 0.4
    quota.quota.foreign_share = 0.3
    quota.quota.foreign_comes = "between"
    output = ask(quota, 28)
    assert (output.code, len(output.records("programs"))) == (0, 28)
    assert refusals(quota) == 0
    assert seconds(quota) < 4 * 0.4 * 1.4


def test_without_quota_headers_a_refusal_is_waited_out(quota: Adtraction) -> None:
    quota.quota.limit = 1000
    quota.quota.headers = False
    quota.faults.add(Fault("status", status=429, retry_after=1, times=2))
    output = ask(quota, 20, max_concurrent_requests=2)
    assert (output.code, len(output.records("programs"))) == (0, 20)
    assert refusals(quota) == 2
    moments = sorted(request.time for request in quota.requests)
    pause = max(later - before for before, later in itertools.pairwise(moments))
    assert 0.95 < pause < 1.5


def test_each_endpoint_and_token_has_a_separate_quota(quota: Adtraction) -> None:
    quota.quota.window = 60
    quota.channel_ids = range(1, 6)
    output = run_here(settings(quota))
    assert (output.code, refusals(quota)) == (0, 0)
    assert len(requests_for(quota, "programs")) == len(requests_for(quota, "feed")) == LIMIT
    assert seconds(quota) < 5, "as many as the quota allows, at once"


def test_two_hundred_requests_of_50_ms_take_less_than_a_third_and_give_the_same_bytes(
    quota: Adtraction,
) -> None:
    quota.quota.limit = 10_000
    quota.channel_ids = range(1, 51)
    quota.feed_sizes = (2,)
    one = run_here(settings(quota, client_token=..., max_concurrent_requests=1))
    assert len(one.records("products")) == 200
    assert len(quota.requests) == 200
    quota.requests.clear()
    quota.faults.add(Fault("slow", delay=0.05, times=None))
    eight = run_here(settings(quota, client_token=..., max_concurrent_requests=8))
    assert eight.stdout == one.stdout
    assert len(quota.requests) == 200
    assert seconds(quota) < 200 * 0.05 / 3
    assert max(request.in_flight for request in quota.requests) <= 8
