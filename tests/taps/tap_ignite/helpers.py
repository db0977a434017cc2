"""Runs tap-ignite against the sandbox, and computes the expected rows."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from tap_ignite.tap import TapIgnite

from attribution_elt.sandbox import Recorded, Sandbox
from attribution_elt.sandbox.ignite import Ignite, Website
from tests import tap_process
from tests.tap_process import Output, Row, Rows, selected

KEYS = {
    "visitors": ("website", "algorithm", "hashed_email"),
    "products": ("website", "product_key"),
    "locations": ("website", "id"),
    "location_details": ("website", "id"),
    "audiences": ("website", "id"),
    "audience_members": ("website", "audience_id", "algorithm", "hashed_email"),
    "audience_groups": ("website", "id"),
    "audience_group_members": ("website", "audience_group_id", "algorithm", "hashed_email"),
    "sales": ("website", "sale_key"),
    "matched_sales": ("website", "sale_key"),
}
DATED = {"visitors", "products", "locations", "audience_members", "audience_group_members"}
SALES = ("sales", "matched_sales")


def run(folder: Path, *arguments: str, **given: Any) -> Output:
    """Run the console script."""
    return tap_process.run(folder, "tap-ignite", *arguments, **given)


killed = functools.partial(tap_process.killed, name="tap-ignite")
run_here = functools.partial(tap_process.run_here, TapIgnite)


def settings(sandbox: Sandbox, **more: Any) -> dict[str, Any]:
    """Return settings for the sandbox; `websites` may be its `Website`s."""
    return settings_of(sandbox.ignite, **more)


def shrink(sandbox: Sandbox) -> None:
    """Reduce the number of records that are requested one by one."""
    sizes = sandbox.ignite.sizes
    sizes.visitors, sizes.products, sizes.members = 80, 20, 10
    sizes.locations, sizes.audiences = 15, 10


def settings_of(vendor: Ignite, **more: Any) -> dict[str, Any]:
    """Return settings for the vendor; `websites` may be its `Website`s."""
    websites = [
        {"name": site.name, "token": site.token, "secret": site.secret}
        if isinstance(site, Website)
        else site
        for site in more.pop("websites", vendor.websites)
    ]
    return {
        "api_url": vendor.url,
        "websites": websites,
        "max_retries": 2,
        "request_timeout": 5,
        **more,
    }


def only(config: dict[str, Any], *streams: str) -> dict[str, Any]:
    """Return a catalog with only these streams selected."""
    return selected(TapIgnite(config=config), streams)


def days_ago(sandbox: Sandbox, days: int) -> date:
    return sandbox.clock.today - timedelta(days)


def expected(
    site: Website,
    since: date,
    algorithms: Sequence[str] = ("md5",),
    *,
    snapshot: date | None = None,
) -> dict[str, Rows]:
    """Return the rows of a website's streams in a window, by key; for sales see `sold`.

    `snapshot` is the first day of the members' window, which follows the setting `snapshot_days`.
    """
    today = site._clock.today  # noqa: SLF001 - the clock of the vendor
    members_since = snapshot or today - timedelta(30)
    truths = {algorithm: site.truth(since, algorithm) for algorithm in algorithms}
    members = {algorithm: site.truth(members_since, algorithm) for algorithm in algorithms}
    truth = truths[algorithms[0]]

    def hashes(stream: str, id_property: str) -> list[Row]:
        return [
            {"algorithm": algorithm, "hashed_email": text, id_property: int(id_)}
            for algorithm, found in members.items()
            for id_, texts in found[stream].items()
            for text in texts or ()
        ]

    products = [
        {
            **row,
            "product_key": row["vin"] or row["stock"],
            "url": bare(row["url"]),
            "feature_image_url": bare(row["feature_image_url"]),
        }
        for row in truth["products"]
    ]
    rows = {
        "visitors": [
            {"algorithm": algorithm, "hashed_email": text}
            for algorithm, found in truths.items()
            for text in found["visitors"]
        ],
        "products": products,
        "audience_members": hashes("audience_members", "audience_id"),
        "audience_group_members": hashes("audience_group_members", "audience_group_id"),
        **{
            stream: [row for row in truth[stream] if row]
            for stream in ("locations", "location_details", "audiences", "audience_groups")
        },
    }
    result: dict[str, Rows] = {}
    for stream, found in rows.items():
        context: Row = {"website": site.name, "_extra": None}
        if stream in DATED:
            context["window_start"] = str(members_since if "members" in stream else since)
        whole = [{**row, **context} for row in found]
        result[stream] = {tuple(row[key] for key in KEYS[stream]): row for row in whole}
    return result


def bare(url: str | None) -> str | None:
    return url and url.removeprefix("<").removesuffix(">")


def sold(rows: Iterable[Row]) -> Counter[str]:
    """Return rows of sales, with repetitions."""
    return Counter(repr(sorted(row.items())) for row in rows)


def matches_truth(
    output: Output, site: Website, since: date, algorithms: Sequence[str] = ("md5",)
) -> bool:
    """Return whether an output has exactly the rows of a website's ten streams."""
    for stream, rows in expected(site, since, algorithms).items():
        found = {key: row for key, row in output.rows(stream).items() if key[0] == site.name}
        assert found == rows, stream
    for stream in SALES:
        loaded = [row for row in output.rows(stream).values() if row["website"] == site.name]
        assert sold(row["_extra"] for row in loaded) == sold(site.sales()[stream])
    return True


def marks(state: Row, stream: str) -> Row:
    """A stream's bookmarks by website."""
    found: Row = state.get("bookmarks", {}).get(stream, {}).get("units", {})
    return found


def requests(sandbox: Sandbox, path: str = "") -> list[Recorded]:
    """Return the tap's requests for paths with this beginning."""
    return [
        request for request in sandbox.ignite.requests if request.path.startswith(f"/api/{path}")
    ]


def requested_paths(sandbox: Sandbox, path: str = "") -> set[tuple[str, str | None]]:
    """Return each requested path, with the first day of its window."""
    return {
        (request.path.removeprefix("/api/"), *request.query.get("date", [None]))
        for request in requests(sandbox, path)
    }
