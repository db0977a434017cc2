"""Adtraction's API v3, as partner and as client (advertiser)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from typing_extensions import override

from taps.errors import CredentialsError, RetryableError, UnitError
from taps.http import Body, Client, Request


class AdtractionClient(Client):
    """One token of Adtraction's; each endpoint has a quota of its own, by the minute."""

    vendor = "Adtraction"
    envelopes = ("data", "programs", "channels", "products", "feeds", "commissions")
    window = 60.0

    def __init__(self, config: Mapping[str, Any], credential: str) -> None:
        self.credential = credential
        super().__init__(config)
        self._token: str = config[credential]
        self._in_query = config["auth_location"] == "query"

    @override
    def auth_headers(self) -> dict[str, str]:
        return {} if self._in_query else {"X-Token": self._token}

    @override
    def auth_params(self) -> dict[str, str]:
        return {"token": self._token} if self._in_query else {}

    @override
    def check(self, body: Body, request: Request) -> None:
        """Live answers may be an object of status and message: an error, or "nothing found"."""
        if body.is_array:
            expected = body.headers.get("count")
            if request.quota == "feed" and expected and int(expected) != body.count:
                reason = f"{body.count} rows came where the header `count` says {expected}"
                raise UnitError(f"{self.vendor}, {request.about}: {reason}")
            return
        answer = body.document if isinstance(body.document, dict) else {}
        status = answer.get("status")
        message = str(answer.get("message", "an unknown kind of answer"))
        if status == 200 and "message" in answer:  # noqa: PLR2004
            return
        if not isinstance(status, int):
            raise RetryableError("the answer is neither a list nor a message")
        if status in {401, 403}:
            raise CredentialsError(
                f"{self.vendor}, {request.about}: answered {status}: "
                f"check the setting {self.credential}",
                status=status,
            )
        if status == 429 or status >= 500:  # noqa: PLR2004
            raise RetryableError(f"answered {status}: {message}", status=status)
        raise UnitError(
            f"{self.vendor}, {request.about}: answered {status}: {message}", status=status
        )


def pages(client: Client, request: Request) -> Iterator[Body]:
    """Yield a request's pages, of which most endpoints have but one.

    By the document a paged answer tells `count`, `pageSize` and `page`, from 0.
    """
    number = 0
    while True:
        body = client.fetch(request)
        yield body
        page = body.document if body.is_array else {}
        number += 1
        if number * int(page.get("pageSize") or 0) >= int(page.get("count") or 0):
            return
        request = request.with_body({**request.body, "page": number})
