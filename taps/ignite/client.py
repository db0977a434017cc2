"""The Ignite platform's API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typing_extensions import override

from taps.http import Client


class IgniteClient(Client):
    """One website: its token and its secret open exactly that one."""

    vendor = "Ignite"
    credential = "websites"

    def __init__(self, config: Mapping[str, Any], name: str, token: str, secret: str) -> None:
        super().__init__(config, account=name)
        self._credentials = {"token": token, "secret": secret}

    @override
    def auth_params(self) -> dict[str, str]:
        return self._credentials
