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

    def with_page(self, number: int) -> Request:
        """Return the same request for another page: in its body, or in the query if it has none."""
        page = {"page": number}
        if self.body is None:
            return replace(self, params={**self.params, **page})
        return replace(self, body={**self.body, **page})
