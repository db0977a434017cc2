"""Ignite's streams, and from which endpoint each is read."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import Any

from typing_extensions import override

from attribution_elt.kit.http.response import JsonResponse
from attribution_elt.kit.tap import VendorStream
from tap_ignite.snapshot import DetailReader, ListReader, Snapshot, SnapshotRequest


class VisitorHashes(Snapshot):
    """Bare hashes, one list for each algorithm."""

    path = "visitors"
    hashed = True


class Inventory(Snapshot):
    """Items, whose URLs the vendor puts into angle brackets."""

    path = "products"

    @override
    def row(self, row: Any) -> Any:
        if not isinstance(row, dict):
            return row
        urls = {name: value for name, value in row.items() if name.endswith("url")}
        return {**row, **{name: _unwrapped(value) for name, value in urls.items()}}


class LocationList(ListReader):
    """Household locations."""

    path = "locations"
    details = "location_details"


class LocationById(DetailReader):
    """A location with its visits; its hashes are of one algorithm, the first of the settings."""

    path = "locations"
    listing = LocationList
    dated = False

    @override
    def looks(self, website: str, since: date) -> Iterator[SnapshotRequest]:
        yield SnapshotRequest(website, since, self.path, self.algorithms[0])

    @override
    def write(self, unit: SnapshotRequest, body: JsonResponse) -> None:
        for stream in self.streams.values():
            stream.emit(body.document, **self.context(unit))


class AudienceList(ListReader):
    """Audiences."""

    path = "audiences"
    dated = False
    details = "audience_members"


class AudienceById(DetailReader):
    """The bare hashes of an audience's members."""

    path = "audiences"
    listing = AudienceList
    hashed = True
    id_property = "audience_id"


class AudienceGroupList(ListReader):
    """Audience groups, whose ids are numbers of their own."""

    path = "audience_groups"
    dated = False
    details = "audience_group_members"


class AudienceGroupById(DetailReader):
    """The bare hashes of a group's members."""

    path = "audience_groups"
    listing = AudienceGroupList
    hashed = True
    id_property = "audience_group_id"


class SalesSummary(Snapshot):
    """One object with both lists of sales, in rows of an undocumented shape."""

    path = "sales"
    dated = False

    @override
    def write(self, unit: SnapshotRequest, body: JsonResponse) -> None:
        for name in body.document:
            self.tap.warn_once(f"property {name!r} beside the sales is in no stream")
        for name, stream in self.streams.items():
            seen: Counter[str] = Counter()
            for row in body.rows(name):
                whole = row if isinstance(row, dict) else {"value": row}
                key = sale_key(whole, seen)
                stream.emit({}, sale_key=key, _extra=whole, **self.context(unit))


def sale_key(row: dict[str, Any], seen: Counter[str]) -> str:
    """Return the row's `id` or `sale_id`, else its hash and its ordinal among equal rows."""
    for name in ("id", "sale_id"):
        if row.get(name) not in (None, ""):
            return str(row[name])
    text = json.dumps(row, sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode()).hexdigest()
    seen[digest] += 1
    return f"sha256:{digest}#{seen[digest]}"


def _unwrapped(value: Any) -> Any:
    wrapped = isinstance(value, str) and value.startswith("<") and value.endswith(">")
    return value[1:-1] if wrapped else value


class Visitors(VendorStream):
    """A hashed e-mail seen in the window."""

    name = "visitors"
    primary_keys = ("website", "algorithm", "hashed_email")
    reader = VisitorHashes


class Products(VendorStream):
    """An inventory item."""

    name = "products"
    primary_keys = ("website", "url")
    reader = Inventory


class Locations(VendorStream):
    """A household location."""

    name = "locations"
    primary_keys = ("website", "id")
    reader = LocationList


class LocationDetails(VendorStream):
    """A location with its visit summary, hashed e-mails and pages."""

    name = "location_details"
    primary_keys = ("website", "id")
    reader = LocationById


class Audiences(VendorStream):
    """An audience."""

    name = "audiences"
    primary_keys = ("website", "id")
    reader = AudienceList


class AudienceMembers(VendorStream):
    """A hashed e-mail in an audience."""

    name = "audience_members"
    primary_keys = ("website", "audience_id", "algorithm", "hashed_email")
    reader = AudienceById


class AudienceGroups(VendorStream):
    """An audience group."""

    name = "audience_groups"
    primary_keys = ("website", "id")
    reader = AudienceGroupList


class AudienceGroupMembers(VendorStream):
    """A hashed e-mail in an audience group."""

    name = "audience_group_members"
    primary_keys = ("website", "audience_group_id", "algorithm", "hashed_email")
    reader = AudienceGroupById


class Sales(VendorStream):
    """A row of the vendor's sales."""

    name = "sales"
    primary_keys = ("website", "sale_key")
    reader = SalesSummary


class MatchedSales(VendorStream):
    """A row of the vendor's matched sales."""

    name = "matched_sales"
    primary_keys = ("website", "sale_key")
    reader = SalesSummary
