"""The client's endpoints."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from attribution_elt.sandbox.adtraction import documented
from attribution_elt.sandbox.adtraction.channels import PENDING, REJECTED, decide
from attribution_elt.sandbox.adtraction.fields import read_fields
from attribution_elt.sandbox.messages import Request, Response
from attribution_elt.sandbox.vendor import RefusalError

if TYPE_CHECKING:
    from attribution_elt.sandbox.adtraction.api import Adtraction


def channels(vendor: Adtraction, request: Request) -> Response:
    """List the channels that applied."""
    wanted = read_fields(request, ("channelId", "affiliateId", "approvalStatus"))
    if wanted.get("channelId") == documented.CHANNEL_ID:
        found = [documented.CHANNEL] if wanted.get("approvalStatus", 0) == REJECTED else []
    else:
        found = vendor.channels().find(wanted)
    return vendor.rows(found, "channels")


def update_channel(vendor: Adtraction, request: Request) -> Response:
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
    found = vendor.channels().find({"channelId": wanted["channelId"]})
    for channel in found:
        decide(channel, status, reason)
    if not found and wanted["channelId"] != documented.CHANNEL_ID:
        raise RefusalError(HTTPStatus.NOT_FOUND, "Channel not found")
    return Response.json({"success": True})
