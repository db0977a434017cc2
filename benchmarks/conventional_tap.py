"""Taps for comparison, written with the SDK's defaults: attributes and no tuning.

Run as `conventional_tap.py VENDOR --config …`, with the configuration of the project's own tap.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import quote

from requests import Response
from singer_sdk import RESTStream, Stream, Tap
from singer_sdk import typing as th
from singer_sdk.pagination import BaseAPIPaginator
from typing_extensions import override

OBJECT = th.ObjectType(additional_properties=True)
TYPES = {
    "boolean": th.BooleanType,
    "integer": th.IntegerType,
    "lists": th.ArrayType(OBJECT),
    "number": th.NumberType,
    "objects": OBJECT,
    "text": th.StringType,
    "time": th.DateTimeType,
}


def columns(**names: str) -> dict[str, Any]:
    """Return a schema, given the names of the columns of each type."""
    return th.PropertiesList(
        *(th.Property(name, TYPES[kind]) for kind, some in names.items() for name in some.split())
    ).to_dict()


class ConventionalStream(RESTStream[Any]):
    """A stream based on `RESTStream`."""

    @property
    @override
    def url_base(self) -> str:
        return str(self.config["api_url"])

    @override
    def post_process(self, row: dict[str, Any], context: Any = None) -> dict[str, Any]:
        return {snake_case(name): value for name, value in row.items()}


def snake_case(name: str) -> str:
    """Return a camelCase name in snake_case."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


class AdtractionStream(ConventionalStream):
    """A stream of Adtraction's."""

    http_method = "POST"

    @property
    @override
    def http_headers(self) -> dict[str, str]:
        return {"X-Token": self.config["partner_token"]}


class Programs(AdtractionStream):
    """The programs of a market."""

    name = "programs"
    path = "/partner/programs/"
    primary_keys = ("program_id",)
    schema = columns(integer="program_id", text="program_name", lists="feeds")

    @override
    def prepare_request_payload(self, context: Any, next_page_token: Any) -> dict[str, Any]:
        return {"market": self.config["markets"][0], "channelId": self.config["channel_ids"][0]}

    @override
    def generate_child_contexts(self, record: Any, context: Any) -> Iterable[dict[str, Any]]:
        for feed in record["feeds"]:
            yield {"program": record["program_id"], "feed": feed["feedId"]}


class Products(AdtractionStream):
    """The products of a feed, some without a sku."""

    name = "products"
    path = "/partner/products/feed/"
    parent_stream_type = Programs
    primary_keys = ("product_url",)
    schema = columns(
        text="product_name product_description product_category product_price product_url "
        "tracking_url image_url currency market ean sku manufacturer manufacturer_article_number",
        integer="program_id approval_status",
        lists="extra_info",
        boolean="in_stock",
        number="old_price shipping",
    )

    @override
    def prepare_request_payload(self, context: Any, next_page_token: Any) -> dict[str, Any]:
        return {
            "programId": context["program"],
            "channelId": self.config["channel_ids"][0],
            "feedId": context["feed"],
        }


class Weeks(BaseAPIPaginator[date]):
    """The first days of weekly windows until today."""

    @override
    def get_next(self, response: Response) -> date | None:
        following = self.current_value + timedelta(7)
        return following if following <= datetime.now(UTC).date() else None

    @override
    def continue_if_empty(self, response: Response) -> bool:
        return True


class Orders(ConventionalStream):
    """ECDP's orders, with their lines."""

    name = "orders"
    path = "/reports/attribution/orders"
    primary_keys = ("website_id", "order_id")
    replication_key = "order_date_time"
    records_jsonpath = "$.data[*]"
    schema = columns(
        text="order_id channel message_type original_currency",
        time="order_date_time",
        integer="website_id message_id products_count",
        objects="customer",
        number="order_value_converted original_total_value",
        lists="order_attributes order_details",
    )

    @property
    @override
    def http_headers(self) -> dict[str, str]:
        return {"x-api-key": self.config["api_key"]}

    @override
    def get_new_paginator(self) -> Weeks:
        since = self.get_starting_timestamp(None)
        return Weeks(since.date() if since else date.fromisoformat(self.config["start_date"]))

    @override
    def get_url_params(self, context: Any, next_page_token: Any) -> dict[str, Any]:
        return {
            "startDate": next_page_token,
            "endDate": next_page_token + timedelta(6),
            "includeDetails": "true",
        }

    @override
    def parse_response(self, response: Response) -> Iterable[dict[str, Any]]:
        if response.content:  # else 204
            yield from super().parse_response(response)


class IgniteStream(ConventionalStream):
    """A stream of Ignite's."""

    primary_keys = ("id",)

    @override
    def get_url_params(self, context: Any, next_page_token: Any) -> dict[str, Any]:
        (website,) = self.config["websites"]
        return {"token": website["token"], "secret": website["secret"]}


class Visitors(IgniteStream):
    """Hashed addresses of visitors."""

    name = "visitors"
    path = "/visitors"
    primary_keys: Sequence[str] = ("hashed_email",)
    schema = columns(text="hashed_email")

    @override
    def parse_response(self, response: Response) -> Iterable[dict[str, Any]]:
        return ({"hashed_email": each} for each in response.json())


class Locations(IgniteStream):
    """Households."""

    name = "locations"
    path = "/locations"
    schema = columns(
        integer="id", number="latitude longitude", text="street city state zip resident"
    )


class Audiences(IgniteStream):
    """Audiences."""

    name = "audiences"
    path = "/audiences"
    schema = columns(integer="id visitors_count", text="primary_category brand model")

    @override
    def get_child_context(self, record: Any, context: Any) -> dict[str, Any]:
        return {"audience_id": record["id"]}


class AudienceMembers(Visitors):
    """Members of an audience."""

    name = "audience_members"
    path = "/audiences/{audience_id}"
    parent_stream_type = Audiences
    primary_keys = ("audience_id", "hashed_email")
    schema = columns(integer="audience_id", text="hashed_email")


class Customers(ConventionalStream):
    """Attribution.io's customers with their timelines."""

    name = "customers"
    path = "/{public_key}/customers/{path_id}"
    primary_keys = ("client_id",)
    records_jsonpath = "$.customer"
    schema = columns(
        integer="id",
        text="client_id link",
        boolean="is_anonymous",
        time="created_at updated_at",
        objects="meta summary",
        lists="events pageviews touchpoints identities",
    )

    @property
    @override
    def partitions(self) -> list[dict[str, Any]]:
        return [{"path_id": quote(each, safe="")} for each in self.config["customer_ids"]]

    @override
    def get_url_params(self, context: Any, next_page_token: Any) -> dict[str, Any]:
        return {"secret": self.config["secret"], "show_all": "true"}


STREAMS: dict[str, tuple[type[ConventionalStream], ...]] = {
    "adtraction": (Programs, Products),
    "ecdp": (Orders,),
    "ignite": (Visitors, Locations, Audiences, AudienceMembers),
    "attribution-io": (Customers,),
}


class ConventionalTap(Tap):
    """A tap for the first vendor on the command line."""

    name = "conventional-tap"
    config_jsonschema = th.PropertiesList(
        th.Property("api_url", th.StringType, required=True)
    ).to_dict()

    @override
    def discover_streams(self) -> list[Stream]:
        return [stream(self) for stream in STREAMS[VENDOR]]


if __name__ == "__main__":
    VENDOR = sys.argv.pop(1)
    ConventionalTap.cli()
