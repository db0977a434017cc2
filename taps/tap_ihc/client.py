"""The IHC web service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typing_extensions import override

from attribution_elt.kit.errors import PluginError, UnitError
from attribution_elt.kit.http.auth import HeaderAuth
from attribution_elt.kit.http.client import Client, RequestBudget
from attribution_elt.kit.http.judging import Verdict
from attribution_elt.kit.http.request import Request
from attribution_elt.kit.http.response import JsonResponse
from attribution_elt.kit.records.shaper import whole

ACCOUNT = "service"
QUOTA_IS_SPENT = ("limit exceeded", "quota")
"""Texts of a 429 that report a spent monthly quota; "Too Many Requests" is only a throttle."""
INVALID_INPUT = (400, 413)
"""Statuses of a refused request: too large, or with an invalid journey."""


class RefusedError(UnitError):
    """The vendor refuses a request; the text is its reason."""


class IhcClient(Client):
    """An API key of the service."""

    vendor = "IHC"
    credential = "api_key"
    large_lists = ("value",)
    known_members = ("statusCode", "partialFailureErrors", "message")
    used_statuses = (206,)  # credits of some journeys, and the reasons of the others

    def __init__(self, config: Mapping[str, Any]) -> None:
        budget = RequestBudget(config.get("max_requests_per_run"), setting="max_requests_per_run")
        auth = HeaderAuth({"x-api-key": config["api_key"]})
        super().__init__(config, auth=auth, budget=budget)

    @override
    def validate(self, body: JsonResponse, request: Request) -> Verdict | None:
        """Check the status in the body, which may differ from the HTTP status."""
        answer = body.document if isinstance(body.document, dict) else {}
        status = whole(answer.get("statusCode", 200))
        if status in INVALID_INPUT:
            raise RefusedError(self.error_text(answer), status=status)
        all_failed = status == 206 and answer.get("partialFailureErrors")  # there may be no list
        if status not in (200, 206) or ("value" not in body.lists and not all_failed):
            return Verdict(f"the response has no credits, status {status}")
        return None

    @override
    def on_error(self, status: int, message: str) -> None:
        if status == 429 and any(each in message.lower() for each in QUOTA_IS_SPENT):
            raise PluginError(f"{self.vendor}: the monthly quota is spent; a later run resumes")
        if status in INVALID_INPUT:
            raise RefusedError(message or "invalid input", status=status)

    @override
    def error_text(self, document: Mapping[str, Any]) -> str:
        errors = document.get("partialFailureErrors")
        reasons = {
            str(error.get("reason"))
            for error in (errors if isinstance(errors, list) else ())
            if isinstance(error, dict)
        }
        return "; ".join(sorted(reasons)) or str(document.get("message") or "invalid input")
