"""The IHC web service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typing_extensions import override

from taps.errors import RetryableError, TapError, UnitError
from taps.http import Body, Client, Request

ACCOUNT = "service"
QUOTA_IS_SPENT = "limit exceeded"
"""What the gateway says, with 429, of the monthly quota; "Too Many Requests" is only a throttle."""


class IhcClient(Client):
    """An API key of the service."""

    vendor = "IHC"
    credential = "api_key"
    envelopes = ("value",)

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self._api_key: str = config["api_key"]

    @override
    def auth_headers(self) -> dict[str, str]:
        return {"x-api-key": self._api_key}

    @override
    def check(self, body: Body, request: Request) -> None:
        """The status in the body counts as well as HTTP's."""
        answer = body.document if isinstance(body.document, dict) else {}
        status = answer.get("statusCode")
        if status == 400:  # noqa: PLR2004
            raise UnitError(self.sentence(request, f"answered 400: {_reasons(answer)}"), status=400)
        if status not in {200, 206} or not body.is_array:
            raise RetryableError(f"answered without credits, status {status}")

    @override
    def explain(self, status: int, message: str) -> None:
        if status == 429 and QUOTA_IS_SPENT in message.lower():  # noqa: PLR2004
            raise TapError(f"{self.vendor}: the monthly quota is spent; a later run goes on")


def _reasons(answer: Mapping[str, Any]) -> str:
    errors = answer.get("partialFailureErrors")
    reasons = {
        str(error.get("reason"))
        for error in (errors if isinstance(errors, list) else ())
        if isinstance(error, dict)
    }
    return "; ".join(sorted(reasons)) or str(answer.get("message") or "invalid input")
