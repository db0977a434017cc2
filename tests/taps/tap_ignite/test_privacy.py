"""Secrets and personal data stay out of logs and masked records."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator

import pytest

from attribution_elt.sandbox import Sandbox
from tests.tap_process import Output
from tests.taps.tap_ignite.helpers import SALES, days_ago, run_here, settings

KEY = "k3y of the hash/+%"
TOKEN = "t0ken &/+=%é"
SECRET = 's3cret "&/+=%é'


PERSONAL = ("resident", "street", "latitude", "longitude")
MARKED = ("locations", "location_details", *SALES)


def personal(sandbox: Sandbox) -> Iterator[str]:
    """Yield names, addresses and sales."""
    for site in sandbox.ignite.websites:
        for row in site.locations(days_ago(sandbox, 30)):
            yield from (str(row[name]) for name in PERSONAL if row[name])
        for sale in (sale for sales in site.sales().values() for sale in sales):
            yield from filter(None, (str(sale["amount"]), sale["salesperson"]))


@pytest.fixture
def vendor(today: Sandbox) -> Sandbox:
    """A sandbox whose second website has credentials that look different in every encoding."""
    site = today.ignite.websites[1]
    site.token, site.secret = TOKEN, SECRET
    today.ignite.extra = {"owner": "DAENERYS"}
    return today


@pytest.mark.parametrize("pii", ["hash", "drop"])
def test_masked_rows_contain_no_personal_data(vendor: Sandbox, pii: str) -> None:
    config = settings(vendor)
    kept = run_here(config).stdout.decode()
    output = run_here({**config, "pii": pii, "pii_key": KEY})
    text = output.stdout.decode()
    for value in set(personal(vendor)):
        assert value in kept
        assert value not in text
    for stream in MARKED:
        assert "DAENERYS" in str(Output(kept.encode()).records(stream))
        assert "DAENERYS" not in str(output.records(stream))
    rows = output.records("locations") + output.records("location_details")
    lengths = {len(row[name]) for row in rows for name in PERSONAL if row[name]}
    assert lengths == ({64} if pii == "hash" else set())
    types = output.of("SCHEMA", "locations")[0]["schema"]["properties"]["latitude"]["type"]
    assert ("string" in types) == (pii == "hash")


def test_the_same_person_has_the_same_hash_in_list_and_details(sandbox: Sandbox) -> None:
    output = run_here(settings(sandbox, pii="hash", pii_key=KEY))
    lists, details = output.rows("locations"), output.rows("location_details")
    assert lists.keys() == details.keys()
    assert all(row["resident"] == details[key]["resident"] for key, row in lists.items())
    other = run_here(settings(sandbox, pii="hash", pii_key="other key, 16 long")).rows("locations")
    snow = "website_1", 59378
    assert lists[snow]["resident"] != other[snow]["resident"]


def test_a_sha2_hash_of_an_address_gives_the_hash_of_the_address(sandbox: Sandbox) -> None:
    config = settings(sandbox, hash_algorithms=["sha2"], pii="hash", pii_key=KEY)
    address = "visitor.4@example.com"  # this person visits every website
    sha2 = hashlib.sha256(address.encode()).hexdigest()
    expected = hmac.new(KEY.encode(), sha2.encode(), "sha256").hexdigest()
    output = run_here(config)
    assert expected in {row["hashed_email"] for row in output.records("visitors")}
    kept = run_here(settings(sandbox, hash_algorithms=["sha2"]))
    assert sha2 in {row["hashed_email"] for row in kept.records("visitors")}


@pytest.mark.parametrize("pii", ["hash", "drop"])
def test_masked_rows_contain_no_hash_of_the_vendor(sandbox: Sandbox, pii: str) -> None:
    kept = run_here(settings(sandbox))
    masked = run_here(settings(sandbox, pii=pii, pii_key=KEY)).stdout.decode()
    for stream in ("visitors", "audience_members", "audience_group_members"):
        assert not [row for row in kept.records(stream) if row["hashed_email"] in masked]
