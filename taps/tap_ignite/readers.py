"""Readers and streams of Ignite: one for each endpoint."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from typing_extensions import override

from attribution_elt.kit.claims import Claim
from attribution_elt.kit.http.response import JsonResponse
from attribution_elt.kit.records.keys import UniqueKeys, first_text, row_hash
from attribution_elt.kit.stream import VendorStream
from tap_ignite.snapshot import (
    FailedDetails,
    ListReader,
    MemberReader,
    Snapshot,
    SnapshotRequest,
)


class VisitorHashes(Snapshot):
    """Reads lists of bare hashes, one for each hash algorithm."""

    path = "visitors"
    hashed = True
    bookmark_settings = ("hash_algorithms",)


class Inventory(Snapshot):
    """Reads the items of a website."""

    path = "products"

    @override
    def write(self, unit: SnapshotRequest, body: JsonResponse) -> None:
        keys = UniqueKeys()
        for stream in self.streams.values():
            for item in body:
                key = keys.of(product_key(item))
                stream.emit(_with_plain_urls(item), product_key=key, **self.context(unit))


def product_key(item: Any) -> str:
    """Return the item's vin, or its stock number, URL or row hash if the former are missing."""
    plain = _with_plain_urls(item)
    found = first_text(plain, "vin", "stock", "url") if isinstance(plain, dict) else None
    return found or row_hash(item)


def _with_plain_urls(item: Any) -> Any:
    """Return an item without the angle brackets that the vendor puts around URLs."""
    if not isinstance(item, dict):
        return item
    return {
        name: value[1:-1] if name.endswith("url") and _is_bracketed(value) else value
        for name, value in item.items()
    }


def _is_bracketed(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("<") and value.endswith(">")


class LocationList(ListReader):
    """Reads household locations."""

    path = "locations"
    details = "location_details"


class LocationById(FailedDetails):
    """Reads a location with its visits; its hashes use the first algorithm in the settings."""

    path = "locations"
    listing = LocationList
    units_of = "locations"
    dated = False
    hashed = True
    bookmark_settings = ("hash_algorithms",)

    @property
    @override
    def algorithms(self) -> Sequence[str | None]:
        return super().algorithms[:1]

    @override
    def context(self, unit: SnapshotRequest) -> dict[str, Any]:
        return {"website": unit.website, "id": unit.id}

    @override
    def write(self, unit: SnapshotRequest, body: JsonResponse) -> None:
        for stream in self.streams.values():
            stream.emit(body.document, **self.context(unit))


class AudienceList(ListReader):
    """Reads audiences."""

    path = "audiences"
    dated = False
    details = "audience_members"


class AudienceById(MemberReader):
    """Reads the members of an audience."""

    path = "audiences"
    listing = AudienceList
    units_of = "audiences"
    id_property = "audience_id"


class AudienceGroupList(ListReader):
    """Reads audience groups, whose ids are unrelated to those of audiences."""

    path = "audience_groups"
    dated = False
    details = "audience_group_members"


class AudienceGroupById(MemberReader):
    """Reads the members of an audience group."""

    path = "audience_groups"
    listing = AudienceGroupList
    units_of = "audience_groups"
    id_property = "audience_group_id"


class SalesSummary(Snapshot):
    """Reads both lists of sales, whose rows have no documented shape."""

    path = "sales"
    dated = False

    @override
    def write(self, unit: SnapshotRequest, body: JsonResponse) -> None:
        for name in body.document:
            self.run.warn_once(f"property {name!r} of the response of /sales is not in any stream")
        for name, stream in self.streams.items():
            key_of = SaleKeys()
            for row in body.rows(name):
                content = row if isinstance(row, dict) else {"value": row}
                stream.emit({}, sale_key=key_of(content), _extra=content, **self.context(unit))

    @override
    def claims(self, unit: SnapshotRequest, answer: JsonResponse | None) -> Iterator[Claim]:
        for stream in sorted(answer.lists & self.streams.keys()) if answer else ():
            yield Claim(stream, {"website": unit.website})


class SaleKeys:
    """Keys of the rows of a list of sales.

    The key is the row's `id` or `sale_id`, with a number if other rows of the list have it too.
    Equal rows with an id are one sale. Without an id, the key is the hash of the row and its number
    among equal rows.
    """

    def __init__(self) -> None:
        self._unique = UniqueKeys()
        self._known: dict[str, str] = {}
        self._equal: Counter[str] = Counter()

    def __call__(self, row: dict[str, Any]) -> str:
        """Return the key of the next row."""
        content = row_hash(row)
        if key := first_text(row, "id", "sale_id"):
            return self._known.get(content) or self._known.setdefault(content, self._unique.of(key))
        self._equal[content] += 1
        return f"{content}#{self._equal[content]}"


class Visitors(VendorStream):
    """A hashed e-mail seen in the window."""

    name = "visitors"
    primary_keys = ("website", "algorithm", "hashed_email")
    reader = VisitorHashes


class Products(VendorStream):
    """An inventory item."""

    name = "products"
    primary_keys = ("website", "product_key")
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
