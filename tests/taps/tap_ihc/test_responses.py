"""Forms of a response that IHC's document leaves open."""

from __future__ import annotations

import json
from pathlib import Path

from attribution_elt.sandbox import Fault
from attribution_elt.sandbox.exact_json import encode
from attribution_elt.sandbox.ihc import Ihc
from tests.taps.tap_ihc.helpers import (
    by_conversion,
    expected,
    file_of,
    matches_truth,
    run_here,
    settings,
    short,
)


def test_a_response_without_a_list_of_credits_has_refusals(vendor: Ihc, tmp_path: Path) -> None:
    rows = short(3)
    errors = [{"trigger": {"conversion_id": each}, "reason": "bad"} for each in by_conversion(rows)]
    body = json.dumps({"value": None, "partialFailureErrors": errors, "statusCode": 206})
    vendor.faults.add(Fault("status", status=206, body=body))
    config = settings(vendor, file_of(tmp_path / "j.jsonl", rows), max_retries=1)
    output = run_here(config)
    assert output.code == 0
    assert {key[1] for key in output.rows("failures")} == set(by_conversion(rows))
    assert run_here(config, state=output.states[-1]).records("attributions") == []
    assert len(vendor.requests) == 1


def test_a_status_sent_as_text_is_the_number(vendor: Ihc, tmp_path: Path) -> None:
    rows = short(3)
    value = [credit for each in by_conversion(rows).values() for credit in vendor.credits(each)]
    body = encode({"value": value, "partialFailureErrors": [], "statusCode": "200"})
    vendor.faults.add(Fault("status", status=200, body=body))
    output = run_here(settings(vendor, file_of(tmp_path / "j.jsonl", rows), max_retries=1))
    assert output.code == 0
    assert matches_truth(output.rows("attributions"), expected(vendor, rows))
