"""The part of Adtraction's client API that reads and updates the statuses of channels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from typing_extensions import override

from attribution_elt.kit.errors import UnitError
from attribution_elt.kit.http.auth import HeaderAuth
from attribution_elt.kit.http.client import Client
from attribution_elt.kit.http.judging import Verdict, quoted
from attribution_elt.kit.http.request import Request
from attribution_elt.kit.http.response import JsonResponse
from attribution_elt.kit.records.shaper import whole

PATH = "client/channels/"
ALLOWED = {("POST", PATH), ("PUT", PATH)}
"""The requests that this client sends: the list of channels, and an update of one."""
STATUSES = {0: "rejected", 1: "approved", 2: "pending"}
REASONS = (
    "not enough content/posts",
    "not relevant content",
    "a closed site/group/account",
    "404 on site",
    "site does not exist",
    "wrong contact details",
    "unethical content",
    "incorrect site owner",
    "missing info about the channel",
    "too few followers/visitors",
    "poor design",
    "traffic is not relevant",
    "outdated content",
)
"""Reasons of a rejection, by the vendor's number."""


@dataclass(frozen=True, slots=True)
class Status:
    """The approval status of a channel, and the reason if it is rejected."""

    status: int
    reason: int | None = None

    def __str__(self) -> str:
        name = STATUSES.get(self.status, str(self.status))
        if self.reason is None:
            return name
        known = 0 <= self.reason < len(REASONS)
        return f"{name} ({REASONS[self.reason] if known else f'reason {self.reason}'})"


class ChannelsClient(Client):
    """A client (advertiser) token of Adtraction's."""

    vendor = "Adtraction"
    credential = "client_token"
    row_containers = ("data", "channels")
    window = 60.0

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config, auth=HeaderAuth({"X-Token": config["client_token"]}))

    @override
    def fetch(self, request: Request) -> JsonResponse:
        if (request.method, request.path) not in ALLOWED:
            raise ValueError(f"{request.method} {request.path} is not allowed")
        return super().fetch(request)

    @override
    def validate(self, body: JsonResponse, request: Request) -> Verdict | None:
        """Refuse an error in a response with status 200, and a list request without a list.

        A message object with status 200 counts as an empty list.
        """
        answer = body.document if isinstance(body.document, dict) else {}
        status = whole(answer.get("status", HTTPStatus.OK)) or 0
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise self.credentials_error(request, f"returned {status}", status=status)
        if status >= HTTPStatus.BAD_REQUEST:
            reason = f"returned {status}: {quoted(str(answer.get('message')))}"
            return Verdict(reason, status, retry=status == 429 or status >= 500)
        if request.method == "POST" and not body.is_array and "message" not in answer:
            return Verdict("the response is not a list of channels")
        return None

    def statuses(self) -> dict[int, Status]:
        """Return the present status of each channel, by its id.

        Raises:
            UnitError: the list cannot be read.
        """
        request = Request(PATH, "channels", method="POST", body={}, quota="channels")
        found: dict[int, Status] = {}
        rows, page = 0, 0
        while True:
            with closing(self.fetch(request.with_page(page) if page else request)) as body:
                found |= _statuses_of(body)
            total = whole(body.document.get("count"))
            rows, page = rows + body.count, page + 1
            if total is None or rows >= total:
                return found
            if not body.count:
                reason = f"{rows} channels arrived, but `count` is {total}"
                raise UnitError(self.describe(request, reason))

    def update(self, channel: int, wanted: Status) -> bool:
        """Update a channel's status, and return whether the vendor reported success.

        Raises:
            UnitError: the vendor refused the request, or did not respond.
        """
        body: dict[str, Any] = {"channelId": channel, "approvalStatus": wanted.status}
        if wanted.reason is not None:
            body["rejectReason"] = wanted.reason
        about = f"status of channel {channel}"
        request = Request(PATH, about, method="PUT", body=body, quota="status")
        with closing(self.fetch(request)) as answer:
            document = answer.document
        return isinstance(document, dict) and document.get("success") is True


def _statuses_of(rows: Iterable[Any]) -> dict[int, Status]:
    found = {}
    for row in rows:
        if isinstance(row, dict) and (channel := whole(row.get("channelId"))) is not None:
            status = whole(row.get("approvalStatus"))
            reason = whole(row.get("rejectReason"))
            if status is not None:
                found[channel] = Status(status, reason if status == 0 else None)
    return found
