"""One person has one key in ECDP, Ignite and Attribution.io."""

from __future__ import annotations

import hashlib

import pytest
from tap_ecdp.tap import TapEcdp

from attribution_elt.core.pseudonyms import e164, person_key
from attribution_elt.sandbox import Sandbox
from tests import people
from tests.tap_process import selected
from tests.taps.tap_attribution_io import helpers as attribution_io
from tests.taps.tap_ecdp import helpers as ecdp
from tests.taps.tap_ignite import helpers as ignite

KEY = "a key of this test"
ALGORITHMS = ("sha256", "sha1", "md5")


def keys_of_people(sandbox: Sandbox, **masking: str) -> list[list[str]]:
    """The values of each vendor's column of people, in the order of delivery."""
    config = ecdp.settings(sandbox, **masking)
    orders = ecdp.run_here(config, catalog=selected(TapEcdp(config=config), (ecdp.ORDERS,)))
    config = ignite.settings(sandbox, hash_algorithms=["sha2"], **masking)
    visitors = ignite.run_here(config, catalog=ignite.only(config, "visitors"))
    config = attribution_io.settings(sandbox.attribution_io, **masking)
    customers = attribution_io.run_here(config, catalog=attribution_io.only(config, "customers"))
    return [
        [row["customer_email"] for row in orders.records(ecdp.ORDERS) if row["customer_email"]],
        [row["hashed_email"] for row in visitors.records("visitors")],
        [row["client_id"] for row in customers.records("customers")],
    ]


@pytest.mark.parametrize("count", [60, pytest.param(1000, marks=pytest.mark.long)])
def test_people_join_across_three_vendors_without_recoverable_identities(
    monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """Three vendors have the same people; the joins of plain and hashed loads are compared."""
    people.share(monkeypatch, count)
    with Sandbox(seed=7) as sandbox:
        sandbox.ecdp.orders_per_day, sandbox.ecdp.history_days = count // 10, 40
        sandbox.ignite.sizes.visitors, sandbox.attribution_io.customer_count = count, count
        sandbox.attribution_io.pageviews_per_visit = 1
        plain = keys_of_people(sandbox)
        hashed = keys_of_people(sandbox, pii="hash", pii_key=KEY)
    readable = {
        hashlib.sha256(people.address(number).encode()).hexdigest(): people.address(number)
        for number in range(1, count + 1)
    }
    named = [[readable.get(each, each.strip().lower()) for each in values] for values in plain]
    everyone = set(readable.values())
    assert all(len(everyone & set(values)) > count * 0.9 for values in named)
    by_name = {
        name: key
        for names, keys in zip(named, hashed, strict=True)
        for name, key in zip(names, keys, strict=True)
    }
    for names, keys in zip(named, hashed, strict=True):
        assert [by_name[name] for name in names] == keys, "a person has one key"
    assert len(set(by_name.values())) == len(by_name), "no two people share a key"
    assert everyone <= by_name.keys()
    assert len(set(map(len, by_name.values()))) == 1
    dictionary = {
        hashlib.new(algorithm, spelled.encode(), usedforsecurity=False).hexdigest()
        for number in range(1, count + 1)
        for spelled in {each(people.address(number)) for each in people.SPELLINGS}
        for algorithm in ALGORITHMS
    }
    dictionary |= {
        hashlib.new(algorithm, each.encode(), usedforsecurity=False).hexdigest()
        for each in dictionary
        for algorithm in ALGORITHMS
    }
    assert not dictionary & set(by_name.values()), "nobody is recovered without the key"


@pytest.mark.parametrize(
    "spelling",
    ["+49 170 1234567", "0049 170 1234567", "+49 (0)170/123-45-67", " 0049(170)1234567 "],
)
def test_spellings_of_an_international_phone_number_are_one_person(spelling: str) -> None:
    assert person_key(spelling, KEY) == person_key("+491701234567", KEY)


@pytest.mark.parametrize(
    "text",
    ["0170 1234567", "491701234567", "+49", "+0170123456789", "00", "+49 170 CALL-ME", "000000123"],
)
def test_no_country_is_guessed(text: str) -> None:
    assert e164(text) is None
    assert person_key(text, KEY) != person_key("+491701234567", KEY)
