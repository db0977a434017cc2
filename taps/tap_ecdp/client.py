"""ECDP's reporting API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typing_extensions import override

from attribution_elt.kit.http.auth import HeaderAuth
from attribution_elt.kit.http.client import Client
from attribution_elt.kit.http.judging import Verdict
from attribution_elt.kit.http.request import Request
from attribution_elt.kit.http.response import JsonResponse

ACCOUNT = "business unit"
PATH = "reports/attribution/orders"


class EcdpClient(Client):
    """A business unit of ECDP; an API key gives access to one business unit."""

    vendor = "ECDP"
    credential = "api_key"
    row_containers = ("data",)
    known_members = ()

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config, auth=HeaderAuth({"x-api-key": config["api_key"]}))

    @override
    def credentials_request(self) -> Request:
        days = {"startDate": "2000-01-01", "endDate": "2000-01-02"}  # before any order: 204
        return Request(PATH, "credentials", params=days)

    @override
    def validate(self, body: JsonResponse, request: Request) -> Verdict | None:
        return None if body.is_array else Verdict("the response has no list of orders")
