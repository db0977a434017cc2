"""Secrets and personal data stay out of everything that a run says, however it fails."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest

from attribution_elt.kit.testing.spellings import spellings
from attribution_elt.sandbox import Fault, Sandbox
from tests.tap_process import Output
from tests.taps.tap_ecdp.helpers import run, settings

KEY = "s3cr3t+key/with=all&of%it"
HASH_KEY = "h4sh key"

FAULTS = {
    "401": Fault("status", status=401, times=None, body=json.dumps({"message": f"bad key {KEY}"})),
    "403": Fault(
        "status", status=403, times=None, body=f"key {quote(KEY, safe='')} is not allowed"
    ),
    "404": Fault("status", status=404, times=None, body=json.dumps({"error": {"key": KEY}})),
    "429": Fault("status", status=429, times=None),
    "500": Fault("status", status=500, times=None, body=KEY),
    "reset": Fault("reset", times=None),
    "truncated": Fault("truncate", times=None),
    "HTML": Fault("html", times=None, body=f"<html>{KEY}</html>"),
    "invalid JSON": Fault("invalid_json", times=None),
    "too slow": Fault("slow", delay=1, times=None),
}


def shows_a_secret(output: Output) -> bool:
    said = output.stdout.decode() + output.stderr
    return any(each in said for secret in (KEY, HASH_KEY) for each in spellings(secret))


def shows_a_traceback(output: Output) -> bool:
    return "Traceback" in output.stderr or 'File "' in output.stderr


def fail(small: Sandbox, folder: Path, fault: Fault | None) -> Output:
    small.ecdp.api_key = KEY
    if fault:
        small.ecdp.faults.add(fault)
    config = settings(
        small,
        start_date="2026-03-28",
        max_retries=2,
        request_timeout=0.3 if fault and fault.kind == "slow" else 5,
        pii="hash",
        pii_key=HASH_KEY,
    )
    return run(folder, config, level="DEBUG")


@pytest.mark.parametrize("fault", [*FAULTS.values(), None], ids=[*FAULTS, "none"])
def test_no_secret_and_no_traceback_however_a_run_ends(
    small: Sandbox, tmp_path: Path, fault: Fault | None
) -> None:
    output = fail(small, tmp_path, fault)
    assert output.code == (1 if fault else 0)
    assert not shows_a_secret(output)
    assert not shows_a_traceback(output)
    assert len(output.errors) == (1 if fault else 0)
    assert all("ECDP" in line for line in output.errors)


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_are_one_line_that_says_what_to_check(
    small: Sandbox, tmp_path: Path, status: int
) -> None:
    key = "wrong" if status == 401 else small.ecdp.powerless_key
    output = run(tmp_path, settings(small, api_key=key), level="DEBUG")
    assert output.code == 1
    (error,) = output.errors
    assert all(word in error for word in ("ECDP", str(status), "api_key"))
    assert key not in output.stderr.replace("wrong type", "")
    assert not shows_a_traceback(output)
    assert output.of("RECORD") == []


def test_settings_that_cannot_work_do_not_show_the_key(small: Sandbox, tmp_path: Path) -> None:
    config = settings(small, api_key=KEY, pii="hush", pii_key=HASH_KEY, start_date=KEY)
    output = run(tmp_path, config, level="DEBUG")
    assert output.code == 1
    assert len(output.errors) == 2
    assert not shows_a_secret(output)
    assert not shows_a_traceback(output)


@pytest.mark.parametrize("pii", ["hash", "drop"])
def test_masked_personal_data_is_nowhere(small: Sandbox, tmp_path: Path, pii: str) -> None:
    customer = {"id": 1, "email": "x@example.com", "phone": "+48500", "taxId": "T-4711"}
    small.ecdp.extra = {"customer": customer, "contactEmail": "y@example.com"}
    output = run(tmp_path, settings(small, pii=pii, pii_key="k"), level="DEBUG")
    assert output.code == 0
    assert output.of("RECORD")
    said = output.stdout.decode() + output.stderr
    assert not any(each in said for each in ("example.com", "+48500", "T-4711"))


def test_personal_data_that_is_kept_is_in_the_records_alone(small: Sandbox, tmp_path: Path) -> None:
    bad = {"id": "jane@example.com", "email": ["bob@example.com"], "phone": "+48500999000"}
    small.ecdp.extra = {"customer": bad}
    small.ecdp.faults.add(Fault("status", status=500, times=3))
    small.ecdp.faults.add(Fault("truncate", times=3))
    output = run(tmp_path, settings(small), level="DEBUG")
    assert b"+48500999000" in output.stdout
    assert not any(each in output.stderr for each in ("example.com", "+48500"))


def test_hashes_are_the_same_in_every_run_and_are_no_order_of_the_rows(
    small: Sandbox, tmp_path: Path
) -> None:
    kept, hashed = (
        run(tmp_path, settings(small, pii=pii, pii_key="k")).records("attributed_orders")
        for pii in ("keep", "hash")
    )
    pairs = {
        (row["customer_email"], masked["customer_email"])
        for row, masked in zip(kept, hashed, strict=True)
    }
    assert len(pairs) == len(dict(pairs)) == len({masked for _, masked in pairs})
    assert dict(pairs)[None] is None
    assert all(len(masked) == 64 for email, masked in pairs if email)
