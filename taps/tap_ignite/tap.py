"""tap-ignite: settings and streams."""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterable

from singer_sdk import typing as th
from singer_sdk.schema.source import SchemaDirectory
from typing_extensions import override

from attribution_elt.kit import settings
from attribution_elt.kit.settings import MOST_DAYS, repeated_names
from attribution_elt.kit.stream import VendorStream, declared_in
from attribution_elt.kit.tap import VendorTap
from attribution_elt.kit.windows import HistoryNeed
from tap_ignite import readers
from tap_ignite.client import IgniteClient
from tap_ignite.snapshot import LONGEST_DAYS, MemberReader, Snapshot


class TapIgnite(VendorTap[IgniteClient]):
    """Visitors, locations, audiences, inventory and sales of websites on Ignite."""

    name = "tap-ignite"
    credentials = ("websites",)
    backfill_refusal = (
        "the vendor takes the first day of a window, but not the last; set an earlier start_date "
        "to load up to 59 days"
    )
    has_retention = True
    stream_types = declared_in(readers)
    schemas = SchemaDirectory(importlib.resources.files("schemas.ignite"))
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
            "rows, by default `website_1`, `website_2` and so on",
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
            title="Look-back",
            description="Days before the bookmark that are read again, of visitors, locations and "
            "products",
        ),
        th.Property(
            "snapshot_days",
            th.IntegerType(minimum=1, maximum=LONGEST_DAYS),
            default=30,
            title="Days of a member list",
            description="Days of the window for which every run requests the members of audiences "
            "and groups",
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
    def make_clients(self) -> dict[str, IgniteClient]:
        return {
            name: IgniteClient(self.config, name, website["token"], website["secret"])
            for name, website in zip(self._names(), self.config["websites"], strict=True)
        }

    @override
    def history_needed(self) -> Iterable[HistoryNeed]:
        kinds = {
            stream.reader
            for stream in self.streams.values()
            if isinstance(stream, VendorStream) and stream.selected
        }
        dated = [
            self.run.reader(kind)
            for kind in kinds
            # members are of the last days, whenever the tap has run before
            if issubclass(kind, Snapshot) and kind.dated and not issubclass(kind, MemberReader)
        ]
        for website in self.run.clients:
            if dated:
                wanted = min(each.wanted(website) for each in dated)
                yield HistoryNeed(website, wanted, dated[0].earliest)

    @override
    def setting_errors(self) -> Iterable[str]:
        errors = list(super().setting_errors())
        yield from errors
        if errors:
            return
        for name in ("websites", "hash_algorithms"):
            if not self.config[name]:
                yield f"setting {name!r} must have at least one entry"
        yield from repeated_names("websites", self._names())

    def _names(self) -> list[str]:
        return [
            website.get("name") or f"website_{number}"
            for number, website in enumerate(self.config["websites"], 1)
        ]
