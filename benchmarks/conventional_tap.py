"""The tap that one would write on the SDK's defaults, to compare with: one stream, one feed."""

from __future__ import annotations

import importlib.resources
from typing import Any

from singer_sdk import RESTStream, Tap
from singer_sdk import typing as th
from singer_sdk.schema.source import SchemaDirectory, StreamSchema

import schemas.adtraction


class Products(RESTStream[Any]):
    """Products of a feed, straight from `RESTStream`."""

    name = "products"
    path = "/partner/products/feed/"
    http_method = "POST"
    primary_keys = ("sku",)
    schema = StreamSchema(SchemaDirectory(importlib.resources.files(schemas.adtraction)))

    @property
    def url_base(self) -> str:
        """Where the vendor is."""
        return str(self.config["api_url"])

    @property
    def http_headers(self) -> dict[str, str]:
        """The token."""
        return {"X-Token": self.config["partner_token"]}

    def prepare_request_payload(self, context: Any, next_page_token: Any) -> dict[str, Any]:
        """Name the feed."""
        del context, next_page_token
        return {name: self.config[name] for name in ("programId", "channelId", "feedId")}

    def post_process(self, row: dict[str, Any], context: Any = None) -> dict[str, Any]:
        """Rename the vendor's names."""
        del context
        return {th_name(name): value for name, value in row.items()}


def th_name(name: str) -> str:
    """Return a camelCase name in snake_case."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


class ConventionalTap(Tap):
    """A tap for one feed."""

    name = "conventional-tap"
    config_jsonschema = th.PropertiesList(
        th.Property("api_url", th.StringType, required=True),
        th.Property("partner_token", th.StringType, required=True, secret=True),
    ).to_dict()

    def discover_streams(self) -> list[Products]:
        """Return the one stream."""
        return [Products(self)]


if __name__ == "__main__":
    ConventionalTap.cli()
