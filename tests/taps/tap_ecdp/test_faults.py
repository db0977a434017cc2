from __future__ import annotations

import json
import logging
import time

import pytest

from attribution_elt.sandbox import Fault, Sandbox
from tests.taps.tap_ecdp.helpers import ORDERS, bookmarks_after, matches_truth, run_here, settings

GARBAGE = (
    "",
    "null",
    "true",
    "[",
    "{}",
    '{"data":null}',
    '{"data":{}}',
    '{"message":"busy"}',
    '{"data":[]',
    '{"data":[],"success":false}',
    '{"data":[],"errors":["busy"]}',
    '{"data":[{"orderId":"1"},]}',
    "Service temporarily unavailable",
)
RECOVERED = {
    "429 without a header": Fault("status", status=429, times=2),
    "500": Fault("status", status=500, times=2),
    "502": Fault("status", status=502, times=2),
    "503 with Retry-After": Fault("status", status=503, times=1, retry_after=0.05),
    "reset": Fault("reset", times=2),
    "close": Fault("close", times=2),
    "truncated": Fault("truncate", times=2),
    "truncated chunks": Fault("truncate", times=2, chunked=True),
    "truncated before the first byte": Fault("truncate", times=2, after=0),
    "truncated at the last byte": Fault("truncate", times=2, after=30),
    "HTML": Fault("html", times=2),
    "invalid JSON": Fault("invalid_json", times=2),
    "a stall": Fault("stall", delay=1.5, times=2),
    "no first byte": Fault("slow", delay=1.5, times=2),
    **{f"200 with {body!r}": Fault("status", status=200, body=body) for body in GARBAGE},
}


@pytest.mark.parametrize("fault", RECOVERED.values(), ids=RECOVERED)
@pytest.mark.parametrize("width", [1, 8])
def test_a_temporary_fault_is_retried_without_repeating_rows(
    small: Sandbox, fault: Fault, width: int
) -> None:
    config = settings(small, request_timeout=0.5, max_concurrent_requests=width)
    clean = run_here(config)
    small.ecdp.faults.add(fault)
    spoilt = run_here(config)
    assert spoilt.code == 0
    assert spoilt.rows(ORDERS) == clean.rows(ORDERS)
    assert bookmarks_after(spoilt) == {"2026-03-31T00:00:00Z"}
    assert matches_truth(small, spoilt)


def test_a_slow_but_steady_response_is_read(small: Sandbox) -> None:
    small.ecdp.faults.add(Fault("drip", delay=0.1, times=2))
    assert matches_truth(small, run_here(settings(small, request_timeout=0.5)))
    assert all(request.fault in {None, "drip"} for request in small.ecdp.requests)
    assert len(small.ecdp.requests) == 6


@pytest.mark.alone
@pytest.mark.parametrize("as_date", [False, True], ids=["seconds", "date"])
@pytest.mark.parametrize("skew", [0, 300, -300])
def test_retry_after_is_obeyed(small: Sandbox, skew: float, *, as_date: bool) -> None:
    small.ecdp.clock_skew = skew
    fault = Fault("status", status=429, retry_after=1, retry_after_date=as_date)
    small.ecdp.faults.add(fault)
    started = time.monotonic()
    assert matches_truth(small, run_here(settings(small)))
    assert time.monotonic() - started < 3
    first, second, *_ = sorted(request.time for request in small.ecdp.requests)
    # an HTTP date is in whole seconds
    assert second - first > (0.05 if as_date else 0.95)


@pytest.mark.parametrize("status", [400, 404, 409, 418])
def test_other_refusals_are_not_retried(small: Sandbox, status: int) -> None:
    body = json.dumps({"message": "this will not do"})
    small.ecdp.faults.add(Fault("status", status=status, times=None, body=body))
    output = run_here(settings(small, start_date="2026-03-30"))
    assert len(small.ecdp.requests) == 1
    assert output.code == 1
    assert f"returned {status}: this will not do" in output.stderr
    assert bookmarks_after(output) == {None}


def test_max_retries_limits_the_attempts(small: Sandbox) -> None:
    small.ecdp.faults.add(Fault("reset", times=None))
    output = run_here(settings(small, start_date="2026-03-30", max_retries=5))
    assert len(small.ecdp.requests) == 5
    assert output.code == 1


def test_the_run_stops_if_the_vendor_is_down(small: Sandbox) -> None:
    small.ecdp.faults.add(Fault("status", status=503, times=None))
    config = settings(small, start_date="2020-01-01", window_days=1, max_retries=1)
    output = run_here(config)
    assert output.code == 1
    assert "gave up" in output.stderr
    assert len(small.ecdp.requests) < 200


def test_no_record_is_emitted_before_its_response_is_complete(small: Sandbox) -> None:
    small.ecdp.chunked = True
    small.ecdp.faults.add(Fault("truncate", times=None, after=3000))
    output = run_here(settings(small, max_retries=2))
    assert output.records(ORDERS) == []
    assert output.code == 1


def test_each_retry_is_reported_without_the_url_or_the_key(
    small: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    small.ecdp.faults.add(Fault("status", status=429, times=2))
    run_here(settings(small, start_date="2026-03-30"))
    messages = [
        each.getMessage()
        for each in caplog.records
        if each.name.startswith(("attribution_elt", "tap_"))
    ]
    assert any("returned 429" in line and "retrying" in line for line in messages)
    assert small.ecdp.api_key not in "".join(messages)
    assert "http" not in "".join(messages)


@pytest.mark.parametrize("depth", [800, 850, 900, 925, 950, 975, 1000, 5000])
def test_a_value_that_is_nested_too_deeply_fails_only_its_window(
    small: Sandbox, depth: int
) -> None:
    body = '{"data":[{"websiteId":1,"orderId":"1","deep":' + "[" * depth + "]" * depth + "}]}"
    small.ecdp.faults.add(Fault("status", status=200, body=body, times=3, match="2026-03-05"))
    output = run_here(settings(small, start_date="2026-03-05", max_retries=3))
    assert len(output.rows(ORDERS)) > 50
    kept = [row for row in output.records(ORDERS) if row["order_id"] == "1"]
    assert (len(kept), len(output.stderr.splitlines())) in {(1, 0), (0, 1)}
    assert output.code == len(output.stderr.splitlines())
