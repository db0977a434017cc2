"""Requests as readers define them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Request:
    """A request to a vendor.

    Attributes:
        path: joined to the client's base URL.
        about: name of the request in logs and errors, without secrets and personal data.
        params: query parameters; None values are left out.
        body: sent as JSON.
        quota: the name of the vendor's quota that the request counts against.
        divisible: whether smaller requests can replace it, so that overload is not retried.
    """

    path: str
    about: str
    params: Mapping[str, Any] = field(default_factory=dict)
    method: str = "GET"
    body: Any = None
    quota: str = ""
    divisible: bool = False

    def with_body(self, body: Any) -> Request:
        """Return the same request with another body."""
        return replace(self, body=body)
