"""The partner's endpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from attribution_elt.sandbox.adtraction import documented
from attribution_elt.sandbox.adtraction.fields import read_fields
from attribution_elt.sandbox.adtraction.products import FeedBody
from attribution_elt.sandbox.adtraction.programs import Feed
from attribution_elt.sandbox.adtraction.stockholm import header
from attribution_elt.sandbox.messages import Request, Response


class Partner(Protocol):
    """The part of the vendor that the partner's endpoints need."""

    filters_need_channel: bool
    chunked_feeds: bool
    miscounted_feeds: set[int]
    product_bytes: int

    def rows(self, rows: Sequence[Any], what: str, page: int | None = None) -> Response:
        """Answer with a list or a page of it."""
        ...

    def programs(self, market: str, channel_id: int | None = None) -> list[dict[str, Any]]:
        """Return a market's programs as a channel sees them."""
        ...

    def program(self, program_id: int, channel_id: int | None = None) -> dict[str, Any]:
        """Return a program as a channel sees it."""
        ...

    def feeds(self) -> Mapping[int, Feed]:
        """Return all generated feeds by id."""
        ...


def programs(vendor: Partner, request: Request) -> Response:
    """List the programs of a market."""
    statuses = ("approvalStatus", "status")
    wanted = read_fields(
        request, ("market", "programId", "channelId", "page", *statuses), required=["market"]
    )
    found = vendor.programs(wanted["market"], wanted.get("channelId"))
    if vendor.filters_need_channel and "channelId" not in wanted and wanted.keys() & set(statuses):
        found = []
    for name in wanted.keys() & {"programId", *statuses}:
        found = [program for program in found if program[name] == wanted[name]]
    return vendor.rows(found, "programs", wanted.get("page", 0))


def commissions(
    vendor: Partner, _: Request, program_id: int, channel_id: int | None = None
) -> Response:
    """List a program's commission types in a channel's segment or the standard segment."""
    program = vendor.program(program_id, channel_id)
    return vendor.rows(program["commissions"], "commissions")


def feed_info(vendor: Partner, _: Request, program_id: int, channel_id: int) -> Response:
    """List a program's feeds."""
    program = vendor.program(program_id, channel_id)
    feeds = [feed | {"approvalStatus": program["approvalStatus"]} for feed in program["feeds"]]
    return vendor.rows(feeds, "product feeds")


def feed(vendor: Partner, request: Request) -> Response:
    """Return the products of one feed or of all feeds of a program."""
    wanted = read_fields(
        request,
        ("programId", "channelId", "feedId", "setEpi", "gt"),
        required=["programId", "channelId"],
    )
    channel_id = wanted["channelId"]
    program = vendor.program(wanted["programId"], channel_id)
    if channel_id in documented.PROGRAMS and program["feeds"]:
        response = vendor.rows([documented.PRODUCT], "products")
        response.headers |= {"count": "1", "feed_lastupdated": documented.FEED_LAST_UPDATED}
        response.chunked = False
        return response
    generated = vendor.feeds()
    asked_for = [
        generated[each["feedId"]]
        for each in program["feeds"]
        if wanted.get("feedId", each["feedId"]) == each["feedId"]
    ]
    body = FeedBody(
        asked_for,
        channel_id,
        vendor.product_bytes,
        set_epi=wanted.get("setEpi", False),
        google_ads=wanted.get("gt", False),
    )
    if not body.count:
        return vendor.rows([], "products")
    miscounted = any(each.id in vendor.miscounted_feeds for each in asked_for)
    return Response(
        body=body,
        length=body.length,
        chunked=vendor.chunked_feeds,
        headers={
            "Content-Type": "application/json;charset=UTF-8",
            "count": str(body.count + miscounted),
            "feed_lastupdated": header(max(each.updated for each in asked_for)),
        },
    )
