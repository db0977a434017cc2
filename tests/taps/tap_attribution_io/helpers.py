"""Runs tap-attribution-io against the sandbox, and computes the expected rows."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from tap_attribution_io.tap import TapAttributionIo

from attribution_elt.sandbox.attribution_io import AttributionIo
from tests import tap_process
from tests.tap_process import Output, Row, Rows, selected

KEYS = {
    "customers": ("client_id",),
    "customer_attributions": (
        *("client_id", "event_type_id", "medium_id", "source_id"),
        "entry_number",
    ),
    "customer_event_counts": ("client_id", "event_type"),
    "events": ("id",),
    "event_attributions": ("id",),
    "pageviews": ("id",),
    "touchpoints": ("id",),
    "identities": ("client_id", "identity_number"),
}
MONEY = ("amount", "event_amount", "event_weighted_amount", "summary_total_amount")
killed = functools.partial(tap_process.killed, name="tap-attribution-io")
run_here = functools.partial(tap_process.run_here, TapAttributionIo)


def run(folder: Path, *arguments: str, **given: Any) -> Output:
    """Run the console script."""
    return tap_process.run(folder, "tap-attribution-io", *arguments, **given)


def settings(vendor: AttributionIo, **more: Any) -> dict[str, Any]:
    """Return settings for the sandbox; all its customers unless others are named."""
    if not any(name.startswith("customer_ids") for name in more):
        more["customer_ids"] = vendor.client_ids
    return {
        "api_url": vendor.url,
        "public_key": vendor.public_key,
        "secret": vendor.secret,
        "max_retries": 2,
        "request_timeout": 5,
        **more,
    }


def only(config: dict[str, Any], *streams: str) -> dict[str, Any]:
    """Return a catalog with only these streams selected."""
    return selected(TapAttributionIo(config=config), streams)


def as_record(row: Row) -> Row:
    """Return a vendor's row as a record: instants in UTC, amounts as numbers."""
    changed = dict(row)
    for name, value in row.items():
        if value is not None and (name.endswith("_at") or name == "summary_last_seen"):
            moment = datetime.fromisoformat(value).astimezone(UTC)
            changed[name] = f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"
        elif value is not None and name in MONEY:
            changed[name] = Decimal(value)
    return changed


def expected(customers: Iterable[Row]) -> dict[str, Rows]:
    """Return the rows of these customers by stream and key, without null properties."""
    rows: dict[str, list[Row]] = {stream: [] for stream in KEYS}
    for customer in customers:
        of = {"client_id": customer["client_id"]}
        summary, fixed = customer["summary"], {}
        for name, value in summary.items():
            if name.endswith("_attrib"):
                type_id = {"event_type_id": int(name.removesuffix("_attrib"))}
                rows["customer_attributions"] += [
                    {**entry, **type_id, **of, "entry_number": 1} for entry in value
                ]
            elif re.fullmatch("(events|pageviews|touchpoints)_count|last_seen|total_amount", name):
                fixed[f"summary_{name}"] = value
            else:
                assert name.endswith("_count")
                kind = name.removesuffix("_count")
                by = {"event_type_id": int(kind)} if kind.isdigit() else {"event_type_name": kind}
                rows["customer_event_counts"].append(
                    {"event_type": kind, "count": value, **by, **of}
                )
        lists = ("events", "pageviews", "touchpoints", "identities", "summary")
        own = {name: value for name, value in customer.items() if name not in lists}
        rows["customers"].append({**own, **fixed})
        for event in customer["events"]:
            plain = {**event, "lifecycle_status": event["lifecycleStatus"], **of}
            outputs = plain.pop("attribution_model_outputs")
            del plain["lifecycleStatus"]
            rows["events"].append(plain)
            rows["event_attributions"] += [{**output, **of} for output in outputs]
        rows["pageviews"] += [{**row, **of} for row in customer["pageviews"]]
        rows["touchpoints"] += [
            {**row, "touchpoint_client_id": row["client_id"], **of}
            for row in customer["touchpoints"]
        ]
        rows["identities"] += [
            {**row, "identity_client_id": row["client_id"], "identity_number": number, **of}
            for number, row in enumerate(customer["identities"], 1)
        ]
    return {
        stream: {tuple(row[key] for key in KEYS[stream]): valued(as_record(row)) for row in found}
        for stream, found in rows.items()
    }


def valued(row: Row) -> Row:
    return {name: value for name, value in row.items() if value is not None}


def matches_truth(vendor: AttributionIo, *outputs: Output, streams: Iterable[str] = KEYS) -> bool:
    """Return whether a warehouse that has loaded these outputs equals the vendor's truth."""
    truth = expected(vendor.truth())
    for stream in streams:
        found: Rows = {}
        for output in outputs:
            found |= {key: valued(row) for key, row in output.rows(stream).items()}
        assert found == truth[stream], stream
    return True


def requested_ids(vendor: AttributionIo) -> list[str]:
    """Return the client ids that were requested, in no particular order."""
    return [request.path.split("/customers/", 1)[1] for request in vendor.requests]


def progress(state: Row, stream: str = "customers") -> Row:
    """Return a stream's member of a state."""
    found: Row = state.get("bookmarks", {}).get(stream, {})
    return found
