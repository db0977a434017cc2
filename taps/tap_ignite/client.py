"""The Ignite platform's API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typing_extensions import override

from attribution_elt.kit.http.auth import QueryAuth
from attribution_elt.kit.http.client import Client
from attribution_elt.kit.http.judging import Verdict
from attribution_elt.kit.http.request import Request
from attribution_elt.kit.http.response import JsonResponse


class IgniteClient(Client):
    """A website; its token and secret give access to that website only."""

    vendor = "Ignite"
    credential = "websites"
    large_lists = ("sales", "matched_sales")

    def __init__(self, config: Mapping[str, Any], name: str, token: str, secret: str) -> None:
        super().__init__(config, auth=QueryAuth({"token": token, "secret": secret}), account=name)

    @override
    def credentials_request(self) -> Request:
        return Request("audience_groups", "credentials")  # a short list: groups are made by hand

    @override
    def validate(self, body: JsonResponse, request: Request) -> Verdict | None:
        document = body.document if isinstance(body.document, dict) else {}
        if request.path == "sales":
            if not body.lists:
                return Verdict("the response has no list of sales")
        elif request.path.startswith("locations/"):
            if document.get("id") is None:
                return Verdict("the response has no location")
        elif not body.is_array:
            return Verdict("the response is not a list")
        return None
