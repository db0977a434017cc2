"""How requests authenticate."""

from __future__ import annotations

from collections.abc import Mapping

import requests
from requests.auth import AuthBase
from typing_extensions import override


class HeaderAuth(AuthBase):
    """Sends credentials as headers: `HeaderAuth({"x-api-key": key})`."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    @override
    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        # refuses values that are not valid in a header
        r.prepare_headers({**r.headers, **self._headers})
        return r


class QueryAuth(AuthBase):
    """Sends credentials as query parameters: `QueryAuth({"token": token})`."""

    def __init__(self, params: Mapping[str, str]) -> None:
        self._params = params

    @override
    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        r.prepare_url(r.url, self._params)
        return r
