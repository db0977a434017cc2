"""The quota limiter with a simulated clock, to the millisecond."""

from __future__ import annotations

import itertools
import random
import time
from email.utils import formatdate

import pytest

from attribution_elt.kit.http import quota as module
from attribution_elt.kit.http.quota import QuotaLimiter
from tests.kit.quota import Clock, Vendor


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    simulated = Clock()
    monkeypatch.setattr(module, "time", simulated)
    monkeypatch.setattr(module, "threading", simulated)
    return simulated


def spend(clock: Clock, limiter: QuotaLimiter, vendor: Vendor, requests: int) -> float:
    """Send requests one after another; return how long that took."""
    started = clock.elapsed
    served = 0
    while served < requests:
        sent = limiter.acquire()
        status, headers = vendor.answer()
        limiter.observe(sent, status, headers)
        served += status == 200
        assert vendor.refused < 100, "refused on and on"
    return clock.elapsed - started


kinds = pytest.mark.parametrize("sliding", [False, True], ids=["fixed", "sliding"])
skews = pytest.mark.parametrize("ahead", [0.0, 130.0, -130.4, 3600.7, -7200.1])
phases = pytest.mark.parametrize("phase", [0.0, 0.33, 0.74, 0.97])


@kinds
@phases
def test_a_quota_is_spent_to_its_end_and_never_refused(
    clock: Clock, phase: float, *, sliding: bool
) -> None:
    clock.elapsed = phase
    vendor = Vendor(clock, sliding=sliding)
    elapsed = spend(clock, QuotaLimiter("test"), vendor, 60)
    assert vendor.refused == 0
    assert elapsed < 6 * 1.15


@kinds
@skews
@phases
@pytest.mark.parametrize("unit", [1000, 1], ids=["milliseconds", "seconds"])
def test_a_clock_that_is_off_by_minutes(
    clock: Clock, ahead: float, unit: int, phase: float, *, sliding: bool
) -> None:
    clock.elapsed = phase
    vendor = Vendor(clock, ahead=ahead, sliding=sliding, unit=unit, window=10)
    elapsed = spend(clock, QuotaLimiter("test"), vendor, 60)
    assert vendor.refused == 0
    assert elapsed < 60 * 1.15


@kinds
@skews
@phases
@pytest.mark.parametrize("fraction", [0.0, 0.6, 0.95])
def test_a_reset_in_seconds_without_its_fraction_costs_one_refusal(
    clock: Clock, ahead: float, phase: float, fraction: float, *, sliding: bool
) -> None:
    clock.elapsed = phase
    vendor = Vendor(clock, ahead=ahead, sliding=sliding, unit=1, truncated=True, window=60)
    vendor.fraction = fraction
    elapsed = spend(clock, QuotaLimiter("test", window=60), vendor, 60)
    assert vendor.refused <= 1 + sliding
    assert elapsed < 6 * 62


@kinds
@pytest.mark.parametrize("ahead", [0.4, -0.4, 0.9, -0.9])
@phases
def test_a_clock_difference_below_the_precision_of_date_costs_one_refusal(
    clock: Clock, ahead: float, phase: float, *, sliding: bool
) -> None:
    clock.elapsed = phase
    vendor = Vendor(clock, ahead=ahead, sliding=sliding, window=10)
    elapsed = spend(clock, QuotaLimiter("test"), vendor, 60)
    assert vendor.refused <= 1
    assert elapsed < 60 * 1.15


@kinds
@phases
def test_another_client_that_uses_30_percent(clock: Clock, phase: float, *, sliding: bool) -> None:
    clock.elapsed = phase
    vendor = Vendor(clock, sliding=sliding, greed=0.3)
    elapsed = spend(clock, QuotaLimiter("test"), vendor, 60)
    assert vendor.refused == 0
    assert elapsed < 60 / 7 * 1.15


@pytest.mark.parametrize(("quota", "window"), [(30, 60), (10, 60), (100, 3600), (1, 1), (2, 5)])
@kinds
def test_other_quotas(clock: Clock, quota: int, window: float, *, sliding: bool) -> None:
    vendor = Vendor(clock, quota=quota, window=window, sliding=sliding)
    elapsed = spend(clock, QuotaLimiter("test", window=window), vendor, quota * 4)
    assert vendor.refused == 0
    assert elapsed < 4 * window * 1.15


def test_half_of_a_quota_that_others_may_share_is_in_flight_at_most(clock: Clock) -> None:
    limiter = QuotaLimiter("test")
    limiter.observe(limiter.acquire(), *Vendor(clock, quota=11).answer())
    for _ in range(5):
        limiter.acquire()
    with pytest.raises(AssertionError, match="a single thread waits for another's answer"):
        limiter.acquire()


def test_requests_to_a_vendor_without_quota_headers_do_not_wait(clock: Clock) -> None:
    vendor = Vendor(clock, quota=10**6, silent=True)
    assert spend(clock, QuotaLimiter("test"), vendor, 500) < 500 * vendor.latency * 1.01


def test_a_run_that_starts_in_the_middle_of_a_window(clock: Clock) -> None:
    vendor = Vendor(clock, quota=10)
    for _ in range(10):
        vendor.answer()
    elapsed = spend(clock, QuotaLimiter("test"), vendor, 30)
    assert vendor.refused == 1, "only an answer can tell that the quota is gone"
    assert elapsed < 4 * 1.15


def paused(
    clock: Clock, limiter: QuotaLimiter, headers: dict[str, str], status: int = 429
) -> float:
    """Return how long the next request waits after such a response."""
    limiter.observe(limiter.acquire(), status, headers)
    before = clock.elapsed
    limiter.observe(limiter.acquire(), None, {})
    return clock.elapsed - before


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_in_seconds(clock: Clock, status: int) -> None:
    assert paused(clock, QuotaLimiter("test"), {"Retry-After": "7"}, status) == pytest.approx(
        7, abs=0.1
    )


@pytest.mark.parametrize("ahead", [0, 300, -300])
def test_retry_after_as_a_date_is_counted_by_the_vendor_s_clock(clock: Clock, ahead: float) -> None:
    now = clock.time() + ahead
    headers = {
        "Date": formatdate(now, usegmt=True),
        "Retry-After": formatdate(now + 7, usegmt=True),
    }
    assert 7 <= paused(clock, QuotaLimiter("test"), headers) < 8.1


def test_retry_after_as_a_date_without_a_date_header(clock: Clock) -> None:
    headers = {"Retry-After": formatdate(clock.time() + 7, usegmt=True)}
    assert 6 < paused(clock, QuotaLimiter("test"), headers) < 8.1


def test_a_date_without_a_time_zone_is_utc(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        headers = {"Retry-After": time.asctime(time.gmtime(clock.time() + 7))}
        assert 6 < paused(clock, QuotaLimiter("test"), headers) < 8.1
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("nonsense", ["", "soon", "-5", "Sun, 99 Foo 2026", "1e999", "nan"])
def test_a_malformed_retry_after_is_ignored(clock: Clock, nonsense: str) -> None:
    assert 0 <= paused(clock, QuotaLimiter("test"), {"Retry-After": nonsense}) <= 3601


@pytest.mark.parametrize("remaining", ["", "many", "-3", "9.0", "nan"])
@pytest.mark.parametrize("reset", ["", "later", "-1", "0", "nan", "1e999"])
def test_malformed_quota_headers_are_ignored(clock: Clock, remaining: str, reset: str) -> None:
    headers = {"X-RateLimit-Remaining": remaining, "X-RateLimit-Reset": reset}
    limiter = QuotaLimiter("test", window=60)
    assert all(0 <= paused(clock, limiter, headers, 200) <= 61 for _ in range(5))


def test_a_pause_is_never_longer_than_an_hour(clock: Clock) -> None:
    assert paused(clock, QuotaLimiter("test"), {"Retry-After": "999999"}) < 3601


@pytest.mark.parametrize("ahead", [0, 300, -300])
def test_a_reset_in_seconds_from_now(clock: Clock, ahead: float) -> None:
    date = formatdate(clock.time() + ahead, usegmt=True)
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "20", "Date": date}
    assert paused(clock, QuotaLimiter("test"), headers, 200) == pytest.approx(20, abs=0.1)


def test_a_refusal_in_the_middle_of_a_window_is_waited_out(clock: Clock) -> None:
    limiter = QuotaLimiter("test", window=60)
    left = {"X-RateLimit-Remaining": "25", "X-RateLimit-Reset": f"{clock.time() + 50}"}
    limiter.observe(limiter.acquire(), 200, left)
    refused = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": f"{clock.time() + 20}"}
    assert paused(clock, limiter, refused) == pytest.approx(20, abs=0.1)


def test_a_429_without_any_header_waits_for_the_documented_window(clock: Clock) -> None:
    assert paused(clock, QuotaLimiter("test", window=60), {}) == pytest.approx(60, abs=0.1)


def test_a_request_without_a_response_does_not_use_quota(clock: Clock) -> None:
    limiter = QuotaLimiter("test")
    for _ in range(50):
        limiter.observe(limiter.acquire(), None, {})
    assert clock.elapsed < 1


@pytest.mark.parametrize("seed", range(20))
def test_refusals_are_rare_with_any_quota_clock_and_other_client(clock: Clock, seed: int) -> None:
    rng = random.Random(seed)
    vendor = Vendor(
        clock,
        quota=rng.randrange(3, 40),
        window=rng.choice((1, 10, 60)),
        sliding=rng.random() < 0.5,
        ahead=rng.choice((0, 0, 130, -130.4)),
        latency=rng.choice((0.003, 0.02)),
    )
    rounds = 5
    elapsed = spend(clock, QuotaLimiter("test"), vendor, vendor.quota * rounds)
    assert vendor.refused == 0
    # a second of each window may be lost to a Date in whole seconds
    uncertainty = rounds if vendor.ahead else 0
    assert elapsed < rounds * max(vendor.window, vendor.quota * vendor.latency) * 1.15 + uncertainty


def test_a_clock_that_is_set_during_a_run_is_measured_again(clock: Clock) -> None:
    vendor = Vendor(clock)
    limiter = QuotaLimiter("test", window=1)
    for ahead in itertools.islice(itertools.cycle((0, 90, -90)), 6):
        vendor.ahead = ahead
        vendor.starts = 0
        vendor.served.clear()
        spend(clock, limiter, vendor, 30)
    assert vendor.refused <= 6
    assert clock.elapsed < 18 * 1.4
