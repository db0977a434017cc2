"""The five benches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, tzinfo
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import pytest
from tap_adtraction.tap import TapAdtraction
from tap_attribution_io.tap import TapAttributionIo
from tap_ecdp.tap import TapEcdp
from tap_ignite import snapshot as lookback
from tap_ignite.tap import TapIgnite
from tap_ihc.tap import TapIhc

from attribution_elt.sandbox import Request, Sandbox
from attribution_elt.sandbox.vendor import Vendor
from tests.reliability.faults_benches import Bench, Concerns, Endpoint, Objects
from tests.reliability.faults_clock import SharedClock, share_clock
from tests.tap_process import Row
from tests.taps.tap_ihc.helpers import file_of, short

# ECDP


def _window(request: Request) -> tuple[str, str]:
    query = request.query
    return query["startDate"][0], query["endDate"][0]


def _ends_within(one: Request, other: Request) -> bool:
    """Compare the ends of windows, because the window of a day may start on the day before."""
    first, last = _window(one)
    return first <= _window(other)[1] <= last


def _of_window(_: Bench, request: Request, __: str, row: Row) -> bool:
    first, last = _window(request)
    return first <= str(row["order_date_time"])[:10] <= last


def ecdp(sandbox: Sandbox, _: Path) -> Bench:
    vendor = sandbox.ecdp
    vendor.orders_per_day, vendor.history_days, vendor.restated_share = 2, 5, 0
    streams = frozenset({"attributed_orders", "attributed_order_lines"})
    return Bench(
        "ecdp",
        TapEcdp,
        vendor,
        {
            **_common(vendor),
            "api_key": vendor.api_key,
            "start_date": str(vendor.first_day),
            "end_date": str(sandbox.clock.today),
            "window_days": 2,
            "lookback_days": 0,
        },
        [
            Endpoint(
                "orders",
                "/reports/attribution/orders",
                streams,
                _of_window,
                lambda body: body["data"],
                key="orderId",
                plain="productsCount",
            )
        ],
        setting="api_key",
        same_unit=_ends_within,
    )


# Adtraction


def _of_market(bench: Bench, request: Request, _: str, row: Row) -> bool:
    market = request.json()["market"]
    programs = bench.truth["programs"].values()
    return row["program_id"] in {
        each["program_id"] for each in programs if each["market"] == market
    }


def _of_feed(_: Bench, request: Request, __: str, row: Row) -> bool:
    wanted = request.json()
    names = {"channel_id": "channelId", "program_id": "programId", "feed_id": "feedId"}
    return all(row[name] == wanted[sent] for name, sent in names.items())


def _of_token(_: Bench, request: Request, stream: str, __: Row) -> bool:
    return request.path.startswith("/v3/client/") == (stream == "channels")


def adtraction(sandbox: Sandbox, _: Path) -> Bench:
    vendor = sandbox.adtraction
    vendor.quota.limit, vendor.quota.limits = 10_000, {}
    vendor.markets, vendor.channel_ids, vendor.programs_per_market = ("SE", "NO", "DE"), (7,), 1
    vendor.feed_sizes, vendor.product_bytes, vendor.channel_count = (5, 3, 4), 100, 5
    vendor.changed_feeds_share = 0
    partner = frozenset({"programs", "commissions", "feeds", "products"})
    return Bench(
        "adtraction",
        TapAdtraction,
        vendor,
        {
            **_common(vendor),
            **vendor.credentials,
            "markets": list(vendor.markets),
            "channel_ids": list(vendor.channel_ids),
        },
        [
            Endpoint(
                "programs",
                "/v3/partner/programs/",
                partner,
                _of_market,
                lambda body: body,
                key="programId",
                plain="programName",
            ),
            Endpoint(
                "feed",
                "/v3/partner/products/feed/",
                frozenset({"products"}),
                _of_feed,
                lambda body: body,
                plain="productName",
            ),
            Endpoint(
                "channels",
                "/v3/client/channels/",
                frozenset({"channels"}),
                lambda *_: True,
                lambda body: body,
                key="channelId",
                plain="channelName",
            ),
        ],
        setting="token",
        account=_of_token,
    )


# Ignite


def _of_website(_: Bench, request: Request, __: str, row: Row) -> bool:
    number = request.query["token"][0].removesuffix("-token").rpartition("-")[2]
    return bool(row["website"] == f"website_{number}")


def _of_entry(id_property: str) -> Concerns:
    def concerns(bench: Bench, request: Request, stream: str, row: Row) -> bool:
        entry = int(request.path.rpartition("/")[2])
        return _of_website(bench, request, stream, row) and row[id_property] == entry

    return concerns


def _listed(name: str, streams: Iterable[str], key: str | None = None, plain: str = "") -> Endpoint:
    objects: Objects | None = (lambda body: body) if plain else None
    return Endpoint(
        name, f"/api/{name}", frozenset(streams), _of_website, objects, key=key, plain=plain
    )


def ignite(sandbox: Sandbox, _: Path) -> Bench:
    vendor = sandbox.ignite
    sizes = vendor.sizes
    sizes.visitors, sizes.products, sizes.locations = 12, 4, 4
    sizes.audiences, sizes.audience_groups, sizes.members, sizes.sales = 2, 2, 4, 6
    websites = [
        {"name": site.name, "token": site.token, "secret": site.secret} for site in vendor.websites
    ]
    return Bench(
        "ignite",
        TapIgnite,
        vendor,
        {**_common(vendor), "websites": websites, "lookback_days": 0},
        [
            _listed("visitors", ["visitors"]),
            _listed("products", ["products"], "url", "title"),
            _listed("locations", ["locations", "location_details"], "id", "city"),
            Endpoint(
                "locations/{id}",
                r"/api/locations/\d+",
                frozenset({"location_details"}),
                _of_entry("id"),
                lambda body: [body],
                key="id",
                plain="city",
            ),
            _listed("audiences", ["audiences", "audience_members"], "id", "brand"),
            Endpoint(
                "audiences/{id}",
                r"/api/audiences/\d+",
                frozenset({"audience_members"}),
                _of_entry("audience_id"),
            ),
            _listed(
                "audience_groups", ["audience_groups", "audience_group_members"], "id", "label"
            ),
            Endpoint(
                "audience_groups/{id}",
                r"/api/audience_groups/\d+",
                frozenset({"audience_group_members"}),
                _of_entry("audience_group_id"),
            ),
            _listed("sales", ["sales", "matched_sales"]),
        ],
        setting="websites",
        account=_of_website,
        volatile=frozenset({"window_start"}),
    )


# Attribution.io


def _of_customer(_: Bench, request: Request, __: str, row: Row) -> bool:
    return bool(row["client_id"] == unquote(request.path.rpartition("/")[2]))


def attribution_io(sandbox: Sandbox, _: Path) -> Bench:
    vendor = sandbox.attribution_io
    vendor.customer_count, vendor.pageviews_per_visit = 4, 1
    streams = {"customers", "customer_attributions", "customer_event_counts", "events"}
    streams |= {"event_attributions", "pageviews", "touchpoints", "identities"}
    ids = [each for each in vendor.client_ids if vendor.customer(each)["pageviews"]]
    return Bench(
        "attribution-io",
        TapAttributionIo,
        vendor,
        {**_common(vendor), **vendor.credentials, "customer_ids": ids},
        [
            Endpoint(
                "customers/{id}",
                r"/api/v1/[^/]+/customers/[^/]+",
                frozenset(streams),
                _of_customer,
                lambda body: [body["customer"]],
                lambda body: body["customer"]["pageviews"],
                key="id",
                plain="link",
            )
        ],
        setting="public_key, secret",
    )


# IHC


def _of_journeys(_: Bench, request: Request, __: str, row: Row) -> bool:
    sent = request.json()["customer_journeys"]
    return row["conversion_id"] in {session["conversion_id"] for session in sent}


def ihc(sandbox: Sandbox, folder: Path) -> Bench:
    vendor = sandbox.ihc
    return Bench(
        "ihc",
        TapIhc,
        vendor,
        {
            **_common(vendor),
            "api_key": vendor.api_key,
            "conv_type_id": vendor.conv_type_id,
            "journeys_file": str(file_of(folder / "journeys.jsonl", short(6))),
            "max_journeys_per_request": 2,
        },
        [
            Endpoint(
                "compute_ihc",
                "/v1/compute_ihc",
                frozenset({"attributions"}),
                _of_journeys,
                lambda body: body["value"],
                key="session_id",
                plain="holder",
            )
        ],
        setting="api_key",
        volatile=frozenset({"computed_at"}),
    )


BENCHES = (ecdp, adtraction, ignite, attribution_io, ihc)


def _common(vendor: Vendor) -> dict[str, Any]:
    return {
        "api_url": vendor.url,
        "max_retries": 3,
        "request_timeout": 5,
        "max_concurrent_requests": 1,
    }


@contextmanager
def open_benches(folder: Path) -> Iterator[tuple[list[Bench], SharedClock]]:
    """Open all benches at a sandbox, with the sandbox's day and a shared clock in the taps."""
    with pytest.MonkeyPatch.context() as patch, Sandbox(seed=7, today=date(2026, 3, 31)) as sandbox:

        def now(zone: tzinfo) -> datetime:
            return datetime.combine(sandbox.clock.today, time(23, 59), UTC).astimezone(zone)

        patch.setattr(lookback, "datetime", SimpleNamespace(now=now))
        clock = share_clock(sandbox, patch)
        yield [make(sandbox, folder) for make in BENCHES], clock
