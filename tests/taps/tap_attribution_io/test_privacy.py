"""Secrets and personal data stay out of logs and masked records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from attribution_elt.sandbox import Fault, Sandbox
from attribution_elt.sandbox.attribution_io import AttributionIo
from tests.taps.tap_attribution_io.helpers import KEYS, run, run_here, settings

KEY = "k3y of the hash/+%"


@pytest.fixture
def person() -> dict[str, Any]:
    """A customer with a value in every property of personal data."""
    return {
        "client_id": "Jane.Doe@Example.com",
        "id": 1,
        "meta": {"first_name": "Jane", "address": {"street": "Elm St 5"}, "ages": [47]},
        "events": [{"id": 2, "meta": {"name": "Jane Doe"}, "aliases": ["alias-1"]}],
        "pageviews": [{"id": 3, "aliases": ["alias-1"]}],
        "touchpoints": [
            {"id": 4, "client_id": "jane.doe@example.com ", "ip_address": "192.0.2.99"}
        ],
        "identities": [{"client_id": "Jane.Doe@Example.com", "ip_address": "192.0.2.99"}],
        "summary": {"35_count": 1, "35_attrib": [{"medium_id": 1, "source_id": 2}]},
        "phone": "+48 600 700 800",
    }


WORDS = ("jane", "doe", "elm st", "192.0.2", "alias-1", "600 700", "47", "example.com")


def of(person: dict[str, Any], vendor: AttributionIo, **more: Any) -> Any:
    """Return the tap's rows of this customer alone."""
    vendor.faults.add(Fault("status", status=200, body=json.dumps({"customer": person})))
    return run_here(settings(vendor, customer_ids=[person["client_id"]], **more))


@pytest.mark.parametrize("pii", ["hash", "drop"])
def test_masked_rows_contain_no_personal_data(
    vendor: AttributionIo, person: dict[str, Any], pii: str
) -> None:
    kept = of(person, vendor).stdout.decode().lower()
    assert all(word in kept for word in WORDS)
    output = of(person, vendor, pii=pii, pii_key=KEY)
    records = json.dumps([each["record"] for each in output.of("RECORD")], default=str).lower()
    for word in WORDS:
        assert f'"{word}' not in records
        assert word in {"47", "doe"} or word not in output.stdout.decode().lower()
    assert output.code == 0
    keys = {stream: len(output.rows(stream)) for stream in KEYS}
    assert keys == {**dict.fromkeys(KEYS, 1), "event_attributions": 0}


def test_the_same_person_is_the_same_hash_in_every_stream(
    vendor: AttributionIo, person: dict[str, Any]
) -> None:
    output = of(person, vendor, pii="hash", pii_key=KEY)
    hashes = {
        row[name]
        for message in output.of("RECORD")
        for row in [message["record"]]
        for name in ("client_id", "identity_client_id", "touchpoint_client_id")
        if name in row
    }
    assert len(hashes) == 1
    (client_id,) = hashes
    assert len(client_id) == 64
    addresses = {output.records(name)[0]["ip_address"] for name in ("touchpoints", "identities")}
    assert len(addresses) == 1
    other = of(person, vendor, pii="hash", pii_key="other key, 16 long").records("customers")[0]
    assert other["client_id"] != client_id


def test_joins_still_work_when_ids_are_hashed(vendor: AttributionIo) -> None:
    kept = run_here(settings(vendor))
    masked = run_here(settings(vendor, pii="hash", pii_key=KEY))
    names: dict[str, str] = {}
    for stream in KEYS:
        for before, after in zip(kept.records(stream), masked.records(stream), strict=True):
            assert names.setdefault(before["client_id"], after["client_id"]) == after["client_id"]
    assert len(set(names.values())) == len(names) == len(vendor.client_ids)


def test_logs_name_no_customer_if_rows_are_masked(sandbox: Sandbox, tmp_path: Path) -> None:
    vendor = sandbox.attribution_io
    config = settings(vendor, customer_ids=["MrSmith", "Jane Doe"], pii="drop")
    output = run(tmp_path, config=config, level="DEBUG")
    assert output.code == 0
    assert "hmac:" in output.stderr
    assert "Smith" not in output.stderr
    assert "Jane" not in output.stderr
