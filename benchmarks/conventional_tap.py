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
LIST = th.ArrayType(OBJECT)


def columns(**types: Any) -> dict[str, Any]:
    """Return a schema."""
    return th.PropertiesList(*(th.Property(*each) for each in types.items())).to_dict()


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
    schema = columns(program_id=th.IntegerType, program_name=th.StringType, feeds=LIST)

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
        product_name=th.StringType,
        product_description=th.StringType,
        product_category=th.StringType,
        product_price=th.StringType,
        product_url=th.StringType,
        tracking_url=th.StringType,
        image_url=th.StringType,
        currency=th.StringType,
        market=th.StringType,
        program_id=th.IntegerType,
        approval_status=th.IntegerType,
        ean=th.StringType,
        sku=th.StringType,
        extra_info=LIST,
        in_stock=th.BooleanType,
        manufacturer=th.StringType,
        manufacturer_article_number=th.StringType,
        old_price=th.NumberType,
        shipping=th.NumberType,
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
        order_id=th.StringType,
        order_date_time=th.DateTimeType,
        website_id=th.IntegerType,
        channel=th.StringType,
        message_type=th.StringType,
        message_id=th.IntegerType,
        customer=OBJECT,
        order_value_converted=th.NumberType,
        original_total_value=th.NumberType,
        original_currency=th.StringType,
        products_count=th.IntegerType,
        order_attributes=LIST,
        order_details=LIST,
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
    schema = columns(hashed_email=th.StringType)

    @override
    def parse_response(self, response: Response) -> Iterable[dict[str, Any]]:
        return ({"hashed_email": each} for each in response.json())


class Locations(IgniteStream):
    """Households."""

    name = "locations"
    path = "/locations"
    schema = columns(
        id=th.IntegerType,
        latitude=th.NumberType,
        longitude=th.NumberType,
        street=th.StringType,
        city=th.StringType,
        state=th.StringType,
        zip=th.StringType,
        resident=th.StringType,
    )


class Audiences(IgniteStream):
    """Audiences."""

    name = "audiences"
    path = "/audiences"
    schema = columns(
        id=th.IntegerType,
        primary_category=th.StringType,
        brand=th.StringType,
        model=th.StringType,
        visitors_count=th.IntegerType,
    )

    @override
    def get_child_context(self, record: Any, context: Any) -> dict[str, Any]:
        return {"audience_id": record["id"]}


class AudienceMembers(Visitors):
    """Members of an audience."""

    name = "audience_members"
    path = "/audiences/{audience_id}"
    parent_stream_type = Audiences
    primary_keys = ("audience_id", "hashed_email")
    schema = columns(audience_id=th.IntegerType, hashed_email=th.StringType)


class Customers(ConventionalStream):
    """Attribution.io's customers with their timelines."""

    name = "customers"
    path = "/{public_key}/customers/{path_id}"
    primary_keys = ("client_id",)
    records_jsonpath = "$.customer"
    schema = columns(
        id=th.IntegerType,
        client_id=th.StringType,
        is_anonymous=th.BooleanType,
        created_at=th.DateTimeType,
        updated_at=th.DateTimeType,
        meta=OBJECT,
        summary=OBJECT,
        link=th.StringType,
        events=LIST,
        pageviews=LIST,
        touchpoints=LIST,
        identities=LIST,
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
