"""tap-ignite: settings and streams."""

from __future__ import annotations

import importlib.resources
from collections import Counter
from collections.abc import Iterable

from singer_sdk import typing as th
from singer_sdk.schema.source import SchemaDirectory
from typing_extensions import override

import schemas.ignite
from attribution_elt.kit import settings
from attribution_elt.kit.http.client import Client
from attribution_elt.kit.settings import MOST_DAYS
from attribution_elt.kit.tap import VendorTap
from attribution_elt.kit.windows import HistoryNeed
from tap_ignite.client import IgniteClient
from tap_ignite.readers import (
    AudienceGroupMembers,
    AudienceGroups,
    AudienceMembers,
    Audiences,
    LocationDetails,
    Locations,
    MatchedSales,
    Products,
    Sales,
    Visitors,
)
from tap_ignite.snapshot import Snapshot


class TapIgnite(VendorTap):
    """Visitors, locations, audiences, inventory and sales of websites on Ignite."""

    name = "tap-ignite"
    credentials = ("websites",)
    backfill_refusal = (
        "the vendor tells what was seen since a day, never until one; a run from an older "
        "bookmark, or a first one from an earlier start_date, brings up to 59 days by itself"
    )
    has_retention = True
    stream_types = (
        Visitors,
        Products,
        Locations,
        LocationDetails,
        Audiences,
        AudienceMembers,
        AudienceGroups,
        AudienceGroupMembers,
        Sales,
        MatchedSales,
    )
    schemas = SchemaDirectory(importlib.resources.files(schemas.ignite))
    config_jsonschema = th.PropertiesList(
        th.Property(
            "websites",
            th.ArrayType(
                th.ObjectType(
                    th.Property("name", th.StringType(min_length=1)),
                    th.Property("token", th.StringType(min_length=1), required=True, secret=True),
                    th.Property("secret", th.StringType(min_length=1), required=True, secret=True),
                )
            ),
            required=True,
            secret=True,
            title="Websites",
            description="A list of `{name, token, secret}`, from Website Info; `name` labels the "
            "rows, `website_1` and so on if it is not set",
        ),
        th.Property(
            "start_date",
            th.DateType,
            title="Start date",
            description="Earliest look-back date of the first run; 30 days ago if not set",
        ),
        th.Property(
            "lookback_days",
            th.IntegerType(minimum=0, maximum=MOST_DAYS),
            default=1,
            title="SnapshotRequest-back",
            description="Days before the bookmark that are read again",
        ),
        th.Property(
            "hash_algorithms",
            th.ArrayType(th.StringType(allowed_values=["md5", "sha1", "sha2"])),
            default=["md5"],
            title="Hash algorithms",
            description="Any of `md5`, `sha1`, `sha2`; one request each",
        ),
        *settings.common("https://e.atrc.link/api"),
    ).to_dict()

    @override
    def make_clients(self) -> dict[str, Client]:
        clients: dict[str, Client] = {}
        for number, website in enumerate(self.config["websites"], 1):
            name = website.get("name") or f"website_{number}"
            clients[name] = IgniteClient(self.config, name, website["token"], website["secret"])
        return clients

    @override
    def history_needed(self) -> Iterable[HistoryNeed]:
        kinds = {
            stream.reader for stream in self.stream_types if self.streams[stream.name].selected
        }
        looks = [self.reader(kind) for kind in kinds if issubclass(kind, Snapshot) and kind.dated]
        for website in self.clients:
            if looks:
                wanted = min(look.wanted(website) for look in looks)
                yield HistoryNeed(website, wanted, looks[0].earliest)

    @override
    def setting_errors(self) -> Iterable[str]:
        faults = list(super().setting_errors())
        yield from faults
        if faults:
            return
        for name in ("websites", "hash_algorithms"):
            if not self.config[name]:
                yield f"setting {name!r} must have at least one entry"
        names = Counter(
            website.get("name") or f"website_{number}"
            for number, website in enumerate(self.config["websites"], 1)
        )
        for name, times in names.items():
            if times > 1:
                yield f"setting 'websites': {times} of them are called {name!r}; give each its own"
