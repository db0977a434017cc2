"""Channel groups by Google's rules (support.google.com/analytics/answer/9756891)."""

from __future__ import annotations

import csv

from tests.targets.target_warehouse.warehouses import Warehouse
from tests.transform.shop import TRANSFORM, Shop, touch

GROUPS = {
    "Direct": ("", "direct", "(none)/(direct)"),
    "Cross-network": ("cpc/google/pmax_Cross-network_DE", "x/y/cross-network"),
    "Paid Shopping": ("cpc/amazon", "paid/shop.etsy.com", "ppc/google/Spring-Shop", "cpc/x/eshop"),
    "Paid Search": (
        "cpc/google",
        "ppc/www.bing.com",
        "paidsearch/duckduckgo",
        "cpc/google/workshop",
    ),
    "Paid Social": ("paid_social/facebook", "cpm_cpc/m.facebook.com", "retargeting/tiktok"),
    "Paid Video": ("cpv/youtube", "paid/vimeo.com"),
    "Display": ("display/network", "banner/x", "cpm/x", "interstitial/x", "expandable/x"),
    "Paid Other": ("cpc/newspaper", "ppc/x", "retargeting/x", "paid-post/x"),
    "Organic Shopping": ("referral/ebay.de", "organic/x/shopping_week"),
    "Organic Social": ("referral/linkedin.com", "social/x", "sm/x", "social-media/x"),
    "Organic Video": ("referral/youtube.com", "video/x"),
    "Organic Search": ("organic/x", "referral/ecosia.org"),
    "Email": ("email/letter", "x/e-mail", "e_mail/x", "email/workshop/bishop"),
    "Affiliates": ("affiliate/partner",),
    "Referral": ("referral/blog.example", "app/x", "link/x"),
    "Audio": ("audio/podcast",),
    "SMS": ("sms/x", "x/sms"),
    "Mobile Push Notifications": ("webpush/x", "mobile-app/x", "notification/x", "x/firebase"),
    "Unassigned": ("smoke/signal", "pushed/x", "emails/x"),
}
"""Medium, source and campaign of touches of each of the nineteen groups."""


def test_each_group_has_the_touches_that_google_sorts_into_it(warehouse: Warehouse) -> None:
    cases = [(name, group) for group, names in GROUPS.items() for name in names]
    shop = Shop(warehouse)
    shop.load(
        "tap_attribution_io",
        "touchpoints",
        *(
            touch(number, "a", "2026-03-01T10:00:00Z", name)
            for number, (name, _) in enumerate(cases)
        ),
    )
    shop.build()
    assert shop.failed == {}
    rows = dict(shop.rows("int_touches__channelled", ("touch_key", "channel_group")))
    found = {name: rows[f"attribution_io:{number}"] for number, (name, _) in enumerate(cases)}
    assert found == dict(cases)


def test_a_host_loses_only_a_leading_www(small: Shop) -> None:
    hosts = ("www.bing.com", "awww.bing.com", "WWW.shop.www.example:8080", "www.com")
    touches = [
        touch(number, "a", "2026-03-01T10:00:00Z", referrer=f"https://{host}/www.x/?https://www.y/")
        for number, host in enumerate(hosts)
    ]
    small.load("tap_attribution_io", "touchpoints", *touches)
    small.build("stg_attribution_io__touchpoints")
    found = small.rows("stg_attribution_io__touchpoints", ("id", "referrer_host"))
    assert [host for _, host in found] == ["bing.com", "awww.bing.com", "shop.www.example", "com"]


def test_rules_name_every_group_as_paid_or_not() -> None:
    """A group is paid by all of its rules or by none."""
    with (TRANSFORM / "seeds" / "channel_rules.csv").open(newline="") as file:
        paid = {(row["channel_group"], row["is_paid"]) for row in csv.DictReader(file)}
    groups = {group for group, _ in paid}
    assert len(paid) == len(groups)
    assert groups == GROUPS.keys() - {"Unassigned"} | {"Onsite"}
