"""A tap on the SDK's own classes, for messages that only such taps write."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout
from typing import Any

from singer_sdk import Stream, Tap
from singer_sdk import typing as th
from typing_extensions import override

SCHEMA = th.PropertiesList(
    th.Property("id", th.IntegerType, required=True),
    th.Property("name", th.StringType),
    th.Property("price", th.NumberType),
    th.Property("at", th.DateTimeType),
    th.Property("more", th.ObjectType(th.Property("a", th.ArrayType(th.IntegerType)))),
).to_dict()


class Items(Stream):
    """Returns the records in the setting `items`."""

    name = "items"
    primary_keys = ("id",)
    schema = SCHEMA

    @override
    def get_records(self, context: Mapping[str, Any] | None) -> Iterable[dict[str, Any]]:
        yield from self.config["items"]


class SmallTap(Tap):
    """A tap with one stream, which is read completely each time."""

    name = "small-tap"
    config_jsonschema = th.PropertiesList(
        th.Property("items", th.ArrayType(th.ObjectType()), required=True)
    ).to_dict()

    @override
    def discover_streams(self) -> list[Stream]:
        return [Items(self)]


def emitted(items: Iterable[Mapping[str, Any]], **settings: Any) -> list[str]:
    """Return the lines that the tap writes."""
    pipe = io.BytesIO()
    with redirect_stdout(io.TextIOWrapper(pipe)):
        SmallTap(config={"items": list(items), **settings}).sync_all()
        written = pipe.getvalue()
    return written.decode().splitlines()
