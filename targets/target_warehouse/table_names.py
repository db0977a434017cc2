"""Names of tables: each stream's, and the tables that the loader adds to it."""

from __future__ import annotations

import hashlib

from attribution_elt.core.events import REJECTED, RUNS, VERIFICATIONS
from target_warehouse.names import assign_identifiers
from target_warehouse.warehouses.base import Adapter

HISTORY = "__history"
"""Suffix of the table that keeps removed and superseded rows."""
VERSIONS = "__versions"
"""Suffix of the view of a table together with its history."""
_HASH = 8


class TableNames:
    """Assigns each stream a table of its own, which is never one of the loader's tables."""

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self._assigned: dict[str, str] = {}

    def of_stream(self, stream: str) -> str:
        """Return the table of a stream."""
        return self._identifier(stream, stream, reserved=stream.endswith((HISTORY, VERSIONS)))

    def aside(self, stream: str) -> str:
        """Return the table that takes a stream's new rows until they replace the old ones."""
        return self._identifier(f"\0aside {stream}", _hashed(f"{stream}__overwrite"))

    def history(self, table: str) -> str:
        """Return the table that keeps the removed rows of `table`."""
        return self._identifier(f"\0history {table}", f"{table}{HISTORY}")

    def versions(self, table: str) -> str:
        """Return the view of a table together with its history."""
        return self._identifier(f"\0versions {table}", f"{table}{VERSIONS}")

    def _identifier(self, key: str, name: str, *, reserved: bool = False) -> str:
        if key not in self._assigned:
            adapter = self._adapter
            wanted = _hashed(name) if reserved else name
            fitted = assign_identifiers(
                [wanted],
                adapter.dialect,
                existing=adapter.tables(),
                reserved=[REJECTED, RUNS, VERIFICATIONS, *self._assigned.values()],
            )
            self._assigned[key] = fitted[wanted]
        return self._assigned[key]


def _hashed(name: str) -> str:
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:_HASH]
    return f"{name}_{digest}"
