"""Names of tables: each stream's, and the tables that the loader adds to it."""

from __future__ import annotations

import time
from collections.abc import Iterable

from attribution_elt.core.events import MASKING, REJECTED, RUNS, SUPPRESSED, VERIFICATIONS
from target_warehouse.names import assign_identifiers, hashed, spellings
from target_warehouse.warehouses.base import Adapter

HISTORY = "__history"
"""Suffix of the table that keeps removed and superseded rows."""
VERSIONS = "__versions"
"""Suffix of the view of a table together with its history."""
_FRESH = 1.0
"""Seconds for which the list of tables is not read again."""


class TableNames:
    """Assigns each stream a separate table, which is never one of the loader's tables."""

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self._assigned: dict[str, str] = {}
        self._reserved = _Alike([MASKING, REJECTED, RUNS, SUPPRESSED, VERIFICATIONS])
        self._existing = _Alike()
        self._read_at = -_FRESH

    def of_stream(self, stream: str) -> str:
        """Return the table of a stream."""
        return self._identifier(stream, stream, hash_it=stream.endswith((HISTORY, VERSIONS)))

    def aside(self, stream: str) -> str:
        """Return the table that takes a stream's new rows until they replace the old ones."""
        return self._identifier(f"\0aside {stream}", f"{stream}__overwrite", hash_it=True)

    def history(self, table: str) -> str:
        """Return the table that keeps the removed rows of `table`."""
        return self._identifier(f"\0history {table}", f"{table}{HISTORY}")

    def versions(self, table: str) -> str:
        """Return the view of a table together with its history."""
        return self._identifier(f"\0versions {table}", f"{table}{VERSIONS}")

    def _identifier(self, key: str, name: str, *, hash_it: bool = False) -> str:
        if key not in self._assigned:
            dialect = self._adapter.dialect
            wanted = f"{name}_{hashed(name)}" if hash_it else name
            near = spellings(wanted, dialect)
            fitted = assign_identifiers(
                [wanted],
                dialect,
                existing=self._tables().like(near),
                reserved=self._reserved.like(near),
            )
            self._assigned[key] = fitted[wanted]
            self._reserved.add(fitted[wanted])
        return self._assigned[key]

    def _tables(self) -> _Alike:
        """Return the tables of the schema, other than those made in the last second."""
        now = time.monotonic()
        if now - self._read_at >= _FRESH:
            self._existing = _Alike(self._adapter.tables())
            self._read_at = now
        return self._existing


class _Alike:
    """Names by their lower case, so that a run of many streams does not search all names."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names: dict[str, list[str]] = {}
        for name in names:
            self.add(name)

    def add(self, name: str) -> None:
        self._names.setdefault(name.casefold(), []).append(name)

    def like(self, spellings: Iterable[str]) -> list[str]:
        """Return the names that are one of `spellings` in lower case."""
        return [name for each in spellings for name in self._names.get(each, ())]
