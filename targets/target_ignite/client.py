"""Ignite's opt-out endpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any
from urllib.parse import urlencode

from typing_extensions import override

from attribution_elt.kit.errors import UnitError
from attribution_elt.kit.http.auth import QueryAuth
from attribution_elt.kit.http.client import Client
from attribution_elt.kit.http.request import Request
from attribution_elt.kit.http.response import JsonResponse

PATH = "opt_outs/new"
SUCCESS: Mapping[str, Sequence[Any]] = {
    "success": (True,),
    "ok": (True,),
    "status": ("ok", "success", 200, 201),
    "error": (),
    "errors": (),
}
"""Members of a response that report success or failure, with the values that mean success."""
URL_BYTES = 1_800
"""Maximum size of a URL in bytes: addresses are a query parameter, and servers limit URLs."""


class NotAcceptedError(UnitError):
    """The status of a response is a success, but the response does not report one."""


class OptOutClient(Client):
    """A client for one website's token; the endpoint does not take the secret."""

    vendor = "Ignite"
    credential = "websites"
    logs_vendor_errors = False  # the vendor's error text may repeat the addresses

    def __init__(self, config: Mapping[str, Any], name: str, token: str) -> None:
        super().__init__(config, auth=QueryAuth({"token": token}), account=name)
        self._token = token

    @override
    def fetch(self, request: Request) -> JsonResponse:
        if (request.method, request.path) != ("POST", PATH):
            raise ValueError(f"{request.method} {request.path} is not allowed")
        return super().fetch(request)

    def url_bytes(self, addresses: Sequence[str]) -> int:
        """Return the length of the URL that reports these addresses."""
        query = urlencode({"emails": _parameter(addresses), "token": self._token})
        return len(f"{self.url}/{PATH}?{query}")

    def opt_out(self, addresses: Sequence[str]) -> None:
        """Report addresses.

        Raises:
            UnitError: the vendor refused the request, or did not respond.
        """
        about = f"opt-outs of {len(addresses)} addresses"
        params = {"emails": _parameter(addresses)}
        with closing(self.fetch(Request(PATH, about, params=params, method="POST"))) as answer:
            document = None if answer.is_array else answer.document
        if not isinstance(document, dict) or not _is_acceptance(document):
            raise NotAcceptedError("the vendor did not accept the addresses")


def _is_acceptance(document: dict[str, Any]) -> bool:
    """Return whether a response is the documented `{}`, or reports success.

    Any other response counts as a refusal, so that the next run sends the address again. This is
    harmless, but an accepted opt-out is never sent again.
    """
    content = {n: each for n, each in document.items() if each or n not in {"error", "errors"}}
    reports = [each in SUCCESS[name] for name, each in content.items() if name in SUCCESS]
    return not content or (bool(reports) and all(reports))


def _parameter(addresses: Sequence[str]) -> str:
    """Return the value of `emails`: one address, or a JSON array of several."""
    if len(addresses) == 1:
        return addresses[0]
    return json.dumps(list(addresses), separators=(",", ":"))
