"""The Ignite platform's API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typing_extensions import override

from attribution_elt.kit.errors import RetryableError
from attribution_elt.kit.http.client import Client, Request
from attribution_elt.kit.http.response import JsonResponse


class IgniteClient(Client):
    """A website; its token and secret give access to that website only."""

    vendor = "Ignite"
    credential = "websites"
    large_lists = ("sales", "matched_sales")

    def __init__(self, config: Mapping[str, Any], name: str, token: str, secret: str) -> None:
        super().__init__(config, account=name)
        self._credentials = {"token": token, "secret": secret}

    @override
    def auth_params(self) -> dict[str, str]:
        return self._credentials

    @override
    def credentials_request(self) -> Request:
        return Request("audience_groups", "credentials")  # a short list: groups are made by hand

    @override
    def validate(self, body: JsonResponse, request: Request) -> None:
        document = body.document if isinstance(body.document, dict) else {}
        if request.path == "sales":
            if not body.lists:
                raise RetryableError("the response has no list of sales")
        elif request.path.startswith("locations/"):
            if document.get("id") is None:
                raise RetryableError("the response has no location")
        elif not body.is_array:
            raise RetryableError("the response is not a list")
