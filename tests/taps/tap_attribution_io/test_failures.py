"""A failed unit affects no other one, is reported in a line, and is requested again."""

from __future__ import annotations

import hmac
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from attribution_elt.sandbox import Fault, Request, Sandbox
from attribution_elt.sandbox.attribution_io import AttributionIo
from tests.taps.tap_attribution_io.helpers import (
    KEYS,
    expected,
    matches_truth,
    only,
    progress,
    requested_ids,
    run,
    run_here,
    settings,
    valued,
)

GARBAGE = ("", "null", "[]", "{", "{}", '{"customer":null}', '{"customer":[]}', "<html></html>")
COMPLETED = "2020-01-01T00:00:00Z"


def break_customer(vendor: AttributionIo, client_id: str) -> None:
    """Replace the response to every request for a customer."""
    end = f"/customers/{quote(client_id, safe='')}"

    def matches(request: Request) -> bool:
        return request.path.endswith(end)

    vendor.faults.add(Fault("status", status=500, times=None, match=matches))


def reached(**more: Any) -> dict[str, Any]:
    """Return a state after a complete run."""
    return {"bookmarks": {stream: {"completed": COMPLETED, **more} for stream in KEYS}}


def test_unknown_customers_are_one_warning(sandbox: Sandbox, tmp_path: Path) -> None:
    vendor = sandbox.attribution_io
    vendor.customer_count = 5
    unknown = ["nobody", "no/one", "x@example.com", "no%40one"]
    config = settings(vendor, customer_ids=[*vendor.client_ids, *unknown])
    output = run(tmp_path, config=config, state=reached())
    assert output.code == 0
    assert output.errors == []
    (warning,) = output.warnings
    digest = hmac.new(vendor.secret.encode(), b"x@example.com", "sha256").hexdigest()
    assert all(word in warning for word in ("4", "Attribution.io", "nobody", "no/one"))
    assert digest[:8] in warning
    assert "example.com" not in output.stderr
    assert "no%40one" not in output.stderr
    assert matches_truth(vendor, output)
    assert progress(output.states[-1])["completed"] > COMPLETED


def test_the_warning_of_unknown_customers_names_twenty_at_most(
    vendor: AttributionIo, caplog: pytest.LogCaptureFixture
) -> None:
    run_here(settings(vendor, customer_ids=[f"nobody-{n}" for n in range(50)]))
    (warning,) = [text for text in caplog.messages if "unknown" in text]
    assert warning.startswith("50 customers")
    assert warning.count("nobody") == 20
    assert warning.endswith("and 30 more")


def test_a_customer_that_fails_permanently_does_not_affect_others(vendor: AttributionIo) -> None:
    victim = vendor.client_ids[3]
    break_customer(vendor, victim)
    output = run_here(settings(vendor), state=reached())
    assert output.code == 1
    (line,) = output.stderr.splitlines()
    assert all(word in line for word in ("Attribution.io", victim, "500"))
    truth = expected(each for each in vendor.truth() if each["client_id"] != victim)
    for stream, rows in truth.items():
        found = {key: valued(row) for key, row in output.rows(stream).items()}
        assert found == rows
    assert {progress(output.states[-1], stream)["completed"] for stream in KEYS} == {COMPLETED}

    vendor.faults.clear()
    vendor.requests.clear()
    again = run_here(settings(vendor), state=output.states[-1])
    assert again.code == 0
    assert victim in requested_ids(vendor)
    assert matches_truth(vendor, output, again)
    assert progress(again.states[-1])["completed"] > COMPLETED


def test_a_failure_is_not_forgotten_when_the_run_is_interrupted(vendor: AttributionIo) -> None:
    config = settings(vendor)
    catalog = only(config, "customers")
    whole = run_here(config, catalog=catalog)
    first = str(whole.records("customers")[0]["client_id"])
    break_customer(vendor, first)
    broken = run_here(config, catalog=catalog, state=reached())
    halfway = broken.states[len(broken.states) // 2]
    assert progress(halfway)["after"]
    vendor.faults.clear()
    rest = run_here(config, catalog=catalog, state=halfway)
    assert rest.code == 0
    state = progress(rest.states[-1])
    assert (state["after"], state["completed"]) == ("", COMPLETED), "it has not been brought yet"
    last = run_here(config, catalog=catalog, state=rest.states[-1])
    assert progress(last.states[-1])["completed"] > COMPLETED


@pytest.mark.parametrize("body", GARBAGE)
def test_a_response_without_a_customer_is_requested_again(vendor: AttributionIo, body: str) -> None:
    config = settings(vendor, customer_ids=["MrSmith"])
    clean = run_here(config)
    vendor.faults.add(Fault("status", status=200, body=body))
    spoilt = run_here(config)
    assert (spoilt.code, spoilt.of("RECORD")) == (0, clean.of("RECORD"))
    vendor.faults.add(Fault("status", status=200, body=body, times=2))
    failed = run_here(config)
    assert (failed.code, failed.of("RECORD")) == (1, [])


def test_a_response_without_a_customer_is_named(vendor: AttributionIo) -> None:
    vendor.faults.add(Fault("status", status=200, body="{}", times=None))
    output = run_here(settings(vendor, customer_ids=["MrSmith"], max_retries=1))
    assert output.stderr.endswith("MrSmith: the response has no customer\n")


@pytest.mark.parametrize("kind", ["reset", "close", "truncate", "invalid_json", "html"])
def test_a_broken_connection_is_retried_without_repeating_rows(
    vendor: AttributionIo, kind: Any
) -> None:
    vendor.chunked = True
    vendor.faults.add(Fault(kind, match="MrSmith"))
    output = run_here(settings(vendor))
    assert output.code == 0
    assert matches_truth(vendor, output)


def test_a_vendor_that_is_down_is_not_requested_each_customer(vendor: AttributionIo) -> None:
    vendor.customer_count = 100
    vendor.faults.add(Fault("status", status=503, times=None))
    output = run_here(settings(vendor, max_retries=1), state=reached())
    assert output.code == 1
    assert "in a row" in output.stderr
    assert len(vendor.requests) < 50
    assert progress(output.states[-1])["completed"] == COMPLETED


def test_a_connection_test_requests_few_customers(sandbox: Sandbox, tmp_path: Path) -> None:
    """Though no customer has a row of some streams, and one of them is unknown."""
    vendor = sandbox.attribution_io
    vendor.customer_count = 100
    vendor.faults.add(
        Fault("status", status=200, body='{"customer":{"client_id":"a"}}', times=None)
    )
    vendor.faults.add(Fault("status", status=404, times=None))
    output = run(tmp_path, "--test", config=settings(vendor))
    assert output.code == 0
    assert len(vendor.requests) <= 20
