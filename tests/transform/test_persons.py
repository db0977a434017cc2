"""The links between ids of persons."""

from __future__ import annotations

import hashlib
import itertools

from attribution_elt.core.pseudonyms import email_key
from tests.targets.target_warehouse.warehouses import Warehouse
from tests.transform.shop import Shop, order, purchase, touch


def test_persons_are_stitched_without_personal_data(warehouse: Warehouse) -> None:
    shop = Shop(warehouse)
    chain = [f"client{number}" for number in range(24)]
    rows = [
        {"client_id": one, "identity_number": 1, "identity_client_id": other, "aliases": None}
        for one, other in itertools.pairwise(chain)
    ]
    alias = {"client_id": "Jane@Example.com", "identity_number": 1, "identity_client_id": None}
    junk = {"identity_number": 2, "identity_client_id": "undefined", "aliases": ["", "null"]}
    shop.load(
        "tap_attribution_io",
        "identities",
        *rows,
        {**alias, "aliases": ["client23", "browser"]},
        {**junk, "client_id": "client0"},
        {**junk, "client_id": "stranger"},
        # a device that six clients share
        *(
            {"client_id": f"crowd{number}", "identity_number": 1, "identity_client_id": "kiosk"}
            for number in range(6)
        ),
        {"client_id": "client3", "identity_number": 2, "identity_client_id": "client3"},
    )
    shop.load("tap_ecdp", "attributed_orders", order("1", "2026-03-02T10:00:00Z", 5.0))
    shop.load(
        "tap_ignite",
        "visitors",
        *(
            {
                "website": "shop",
                "algorithm": "sha2",
                "hashed_email": hashlib.sha256(email).hexdigest(),
            }
            for email in (b"jane@example.com", b"joe@example.com")
        ),
    )
    touches = (
        touch(1, "client0", "2026-03-01T10:00:00Z", "cpc/google"),
        touch(2, "stranger", "2026-03-01T10:00:00Z", "cpc/google"),
    )
    shop.load("tap_attribution_io", "touchpoints", *touches)
    shop.build("+dim_persons", "+fct_credits")
    assert shop.failed == {}
    persons = shop.rows("dim_persons", ("ids", "sources", "touches", "conversions"))
    # the chain, the address, its alias, the order's customer and a visitor are one person
    alone = [(1, 1, 0, 0)] * (1 + 6 + 1)  # a visitor, the crowd, what it shares
    assert persons == [*alone, (1, 1, 1, 0), (28, 3, 1, 1)]
    assert shop.credits("last", "ecdp:1:1") == {"1": 1}
    for model in ("int_persons__stitched", "int_persons__linked", "dim_persons"):
        text = repr(shop.execute("SELECT * FROM {}", model)).lower()
        assert not any(name in text for name in ("jane", "client0", "stranger")), model

    shop.build("+int_persons__stitched", "+int_persons__linked", stitching_rounds=1)
    assert "persons_are_stitched" in shop.failed


def test_unknown_customers_and_shared_addresses_do_not_link_persons(small: Shop) -> None:
    day = "2026-03-02T10:00:00Z"
    unknown = [
        order(f"u{each}", day, 5.0, customer_id=0, customer_email=f"{each}@x.example")
        for each in range(3)
    ]
    nameless = [
        order(f"n{each}", day, 5.0, customer_id=each, customer_email=" Guest ")
        for each in range(1, 4)
    ]
    till = [
        order(f"t{each}", day, 5.0, customer_id=each, customer_email="till@shop.example")
        for each in range(4, 10)
    ]
    small.load("tap_ecdp", "attributed_orders", *unknown, *nameless, *till)
    touches = (touch(1, "guest", "2026-03-01T10:00:00Z"), touch(2, "Guest", "2026-03-01T10:00:00Z"))
    small.load("tap_attribution_io", "touchpoints", *touches)
    small.load("tap_attribution_io", "events", purchase(1, "guest", day, 5.0))
    small.build("+dim_persons", "+int_journeys")
    assert small.failed == {}
    assert small.rows("int_conversions__unioned", ("count(DISTINCT person_key)",)) == [(13,)]
    assert small.rows("dim_persons", ("ids", "conversions")) == [(1, 1)] * 9
    assert small.rows("int_journeys", ("touch_key",)) == []


def test_hashed_addresses_link_persons(warehouse: Warehouse) -> None:
    """All taps send the same keyed hash of an address if `pii` is `hash`."""
    shop, hashed = Shop(warehouse), email_key("jane@example.com", "key of the hashes")
    day = "2026-03-02T10:00:00Z"
    shop.load("tap_ecdp", "attributed_orders", order("1", day, 5.0, customer_email=hashed))
    visitor = {"website": "shop", "algorithm": "sha2", "hashed_email": hashed}
    shop.load("tap_ignite", "visitors", visitor)
    shop.load("tap_attribution_io", "touchpoints", touch(1, hashed, day))
    shop.build("+dim_persons", "+fct_credits")
    assert shop.failed == {}
    assert shop.rows("dim_persons", ("ids", "sources")) == [(3, 3)]
    assert shop.credits("last", "ecdp:1:1") == {"1": 1}
