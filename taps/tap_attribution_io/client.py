"""Attribution.io's customer API, version 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from typing_extensions import override

from attribution_elt.kit.http.auth import QueryAuth
from attribution_elt.kit.http.client import Client
from attribution_elt.kit.http.judging import Verdict
from attribution_elt.kit.http.request import Request
from attribution_elt.kit.http.response import JsonResponse

ACCOUNT = "project"


class AttributionClient(Client):
    """A project: its public key is part of the path, its secret a query parameter."""

    vendor = "Attribution.io"
    credential = "public_key, secret"
    large_lists = tuple(
        f"customer.{name}" for name in ("events", "pageviews", "touchpoints", "identities")
    )
    known_members = ("customer",)
    probe_statuses = (404,)
    # the message may repeat the client id, which may be an e-mail address
    logs_vendor_errors = False

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config, auth=QueryAuth({"secret": config["secret"]}))
        self._public_key = quote(config["public_key"], safe="")

    @override
    def credentials_request(self) -> Request:
        """Request a customer that does not exist: with valid credentials, the response is 404."""
        return Request(self.path("no-such-customer"), "credentials")

    def path(self, client_id: str) -> str:
        """Return the path of a customer, whose id may contain any character."""
        return f"{self._public_key}/customers/{quote(client_id, safe='')}"

    @override
    def validate(self, body: JsonResponse, request: Request) -> Verdict | None:
        document = body.document if isinstance(body.document, dict) else {}
        if isinstance(document.get("customer"), dict):
            return None
        return Verdict("the response has no customer")
