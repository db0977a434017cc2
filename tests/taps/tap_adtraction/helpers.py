"""Runs tap-adtraction against the sandbox, and computes the expected rows."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from tap_adtraction.tap import TapAdtraction

from attribution_elt.sandbox import Fault, Recorded, Request, Sandbox
from attribution_elt.sandbox.adtraction import Adtraction
from tests import tap_process
from tests.tap_process import Output, Row, Rows

PARTNER_STREAMS = {"programs", "commissions", "feeds", "products"}
STREAMS = PARTNER_STREAMS | {"channels"}


def small(sandbox: Sandbox) -> Adtraction:
    """Adtraction with small feeds and without a quota to wait for."""
    vendor = sandbox.adtraction
    vendor.quota.limit = 10_000
    vendor.quota.limits.clear()
    vendor.markets = ("SE", "NO")
    vendor.product_bytes = 100
    vendor.feed_sizes = (25, 60, 40, 0)  # enough for every oddity of a feed
    return vendor


def settings(vendor: Adtraction, **more: Any) -> dict[str, Any]:
    """Return settings that read the whole sandbox; `...` removes a setting."""
    given = {
        "api_url": vendor.url,
        **vendor.credentials,
        "markets": list(vendor.markets),
        "channel_ids": list(vendor.channel_ids),
        "max_retries": 3,
        "request_timeout": 5,
        **more,
    }
    return {name: value for name, value in given.items() if value is not ...}


def run_here(config: Mapping[str, Any], **given: Any) -> Output:
    return tap_process.run_here(TapAdtraction, config, **given)


def run(folder: Path, config: Mapping[str, Any], *arguments: str, **given: Any) -> Output:
    return tap_process.run(folder, "tap-adtraction", *arguments, config=config, **given)


def only(config: Mapping[str, Any], *streams: str, without: Iterable[str] = ()) -> dict[str, Any]:
    """Return a catalog with only these streams selected, and without these properties."""
    return tap_process.selected(TapAdtraction(config=dict(config)), streams, without=without)


# requests


def requests_for(vendor: Adtraction, path: str) -> list[Recorded]:
    """Return the requests of an endpoint: `programs`, `feed` or `channels`."""
    return [request for request in vendor.requests if request.path.endswith(f"/{path}/")]


def requested_feeds(vendor: Adtraction) -> list[str]:
    """Return the sorted names of the bookmarks of the feeds that were requested."""
    bodies = [request.json() for request in requests_for(vendor, "feed")]
    return sorted(f"{b['channelId']}:{b['programId']}:{b['feedId']}" for b in bodies)


def feed_requests(feed_id: int) -> Any:
    """Return the predicate of a fault that matches requests for a feed."""

    def matches(request: Request) -> bool:
        return request.path.endswith("/feed/") and request.json()["feedId"] == feed_id

    return matches


def answer_with(vendor: Adtraction, path: str, body: str, times: int | None = 1) -> None:
    """Make an endpoint return status 200 and this body."""
    vendor.faults.add(Fault("status", status=200, body=body, times=times, match=f"/{path}/"))


# expected rows


@cache
def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def in_utc(text: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def product_key(product: Row, seen: Counter[str]) -> str:
    key = product.get("sku")
    if not key:
        key = f"sha256:{hashlib.sha256(product['productUrl'].encode()).hexdigest()}"
    seen[key] += 1
    return key if seen[key] == 1 else f"{key}#{seen[key]}"


def expected(vendor: Adtraction) -> dict[str, list[Row]]:
    """Return the rows of every stream, without null properties."""
    truth = vendor.truth()
    rows: dict[str, list[Row]] = {name: [] for name in STREAMS}
    updated: dict[int, str] = {}
    for program in truth["programs"]:
        keys = {"channel_id": program["channelId"], "program_id": program["programId"]}
        plain = {snake(name): value for name, value in program.items()}
        for name in ("commissions", "feeds"):
            del plain[name]
        if image := plain.pop("brand_category_image", None):
            plain["_extra"] = {"brand_category_image": image}
        rows["programs"].append(plain)
        for commission in program["commissions"]:
            plain = {snake(name): value for name, value in commission.items()}
            plain["commission_id"] = str(plain.pop("id"))
            plain["thresholds"] = [
                {snake(name): value for name, value in each.items()}
                for each in plain.get("thresholds", ())
            ]
            rows["commissions"].append({**keys, **{k: v for k, v in plain.items() if v != []}})
        for feed in program["feeds"]:
            plain = {snake(name): value for name, value in feed.items()}
            plain["last_updated"] = updated[feed["feedId"]] = in_utc(feed["lastUpdated"])
            rows["feeds"].append({**keys, **plain})
    seen: dict[Any, Counter[str]] = {}
    for product in truth["products"]:
        keys = {"channel_id": product["channelId"], "feed_id": product["feedId"]}
        plain = {
            snake(name): value
            for name, value in product.items()
            if name not in {"requestedProgramId", "programId", "channelId", "feedId"}
        }
        plain["product_price"] = Decimal(plain["product_price"])
        rows["products"].append(
            {
                **keys,
                **{name: value for name, value in plain.items() if value is not None},
                "program_id": product["requestedProgramId"],
                "source_program_id": product["programId"],
                "product_key": product_key(product, seen.setdefault((*keys.values(),), Counter())),
                "feed_last_updated": updated[product["feedId"]],
            }
        )
    for channel in truth["channels"]:
        plain = {snake(name): value for name, value in channel.items()}
        if plain["application_date"] == "2021-11-31":
            plain["_extra"] = {"application_date": plain.pop("application_date")}
        rows["channels"].append(plain)
    return rows


def emitted_rows(records: Iterable[Row]) -> list[Row]:
    """Records without their nulls."""
    return [{name: value for name, value in row.items() if value is not None} for row in records]


def warehouse(outputs: Iterable[Output], stream: str) -> list[Row]:
    """Return the rows of a warehouse that has loaded these outputs in turn."""
    rows: Rows = {}
    for output in outputs:
        rows |= output.rows(stream)
    return emitted_rows(rows.values())


def in_order(rows: Iterable[Row]) -> list[Row]:
    names = ("market", "channel_id", "program_id", "commission_id", "feed_id", "product_key")
    return sorted(rows, key=lambda row: [str(row.get(name)) for name in names])


def matches_truth(vendor: Adtraction, *outputs: Output, streams: Iterable[str] = STREAMS) -> bool:
    """Return whether a warehouse that has loaded these outputs equals the vendor's truth."""
    truth = expected(vendor)
    for stream in streams:
        assert in_order(warehouse(outputs, stream)) == in_order(truth[stream])
    return True


def bookmarks(state: Mapping[str, Any]) -> dict[str, str]:
    """Return the bookmark of each feed."""
    units: dict[str, str] = state.get("bookmarks", {}).get("products", {}).get("units", {})
    return units


def all_bookmarks(vendor: Adtraction) -> dict[str, str]:
    """Return the bookmarks after a complete run."""
    return {
        f"{channel_id}:{program['programId']}:{feed['feedId']}": in_utc(feed["lastUpdated"])
        for market in vendor.markets
        for channel_id in vendor.channel_ids
        for program in vendor.programs(market, channel_id)
        for feed in program["feeds"]
    }
