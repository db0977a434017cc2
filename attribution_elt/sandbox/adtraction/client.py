"""The client's endpoints."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Protocol

from attribution_elt.sandbox.adtraction import documented
from attribution_elt.sandbox.adtraction.channels import PENDING, REJECTED
from attribution_elt.sandbox.adtraction.fields import read_fields
from attribution_elt.sandbox.messages import Request, Response
from attribution_elt.sandbox.vendor import RefusalError


class Client(Protocol):
    """The part of the vendor that the client's endpoints need."""

    refused_channels: set[int]

    def rows(self, rows: Sequence[Any], what: str, page: int | None = None) -> Response:
        """Answer with a list or a page of it."""
        ...

    def channels(self) -> list[dict[str, Any]]:
        """Return the listed channels."""
        ...

    def set_status(self, channel_id: int, status: int, reason: int | None) -> bool:
        """Approve or reject a channel; return whether it exists."""
        ...


def channels(vendor: Client, request: Request) -> Response:
    """List the channels that applied."""
    wanted = read_fields(request, ("channelId", "affiliateId", "approvalStatus", "page"))
    page = wanted.pop("page", 0)
    if wanted.get("channelId") == documented.CHANNEL_ID:
        found = [documented.CHANNEL] if wanted.get("approvalStatus", 0) == REJECTED else []
    else:
        found = [row for row in vendor.channels() if wanted.items() <= row.items()]
    return vendor.rows(found, "channels", page)


def update_channel(vendor: Client, request: Request) -> Response:
    """Approve or reject a channel."""
    wanted = read_fields(
        request,
        ("channelId", "approvalStatus", "rejectReason"),
        required=["channelId", "approvalStatus"],
    )
    status, reason = wanted["approvalStatus"], wanted.get("rejectReason")
    if status == PENDING:
        message = "Invalid approvalStatus. Expected value: 0 = rejected, 1 = approved"
        raise RefusalError(HTTPStatus.BAD_REQUEST, message)
    if status == REJECTED and reason is None:
        raise RefusalError(HTTPStatus.BAD_REQUEST, "Missing rejectReason.")
    channel_id = wanted["channelId"]
    if channel_id in vendor.refused_channels:
        return Response.json({"success": False})
    if not vendor.set_status(channel_id, status, reason) and channel_id != documented.CHANNEL_ID:
        raise RefusalError(HTTPStatus.NOT_FOUND, "Channel not found")
    return Response.json({"success": True})
