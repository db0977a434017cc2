"""The audit table `_writes`: the writes that targets sent to vendors, and their outcomes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from attribution_elt.core import dates
from attribution_elt.core.events import WRITES
from target_warehouse.system_tables import SystemTable
from target_warehouse.warehouses.registry import connect
from target_warehouse.warehouses.transaction import transact

_TABLE = SystemTable(
    WRITES,
    "run_id text, target text, key text, wish json, before text, after text, outcome text, "
    "reason text, http_status integer, attempt integer, dry_run boolean, at timestamp",
)


class WriteLog:
    """The table `_writes` of a warehouse, opened for one run.

    `settling` are the outcomes that settle a write that was sent.
    """

    def __init__(self, url: str, schema: str | None, settling: Iterable[str]) -> None:
        self._adapter = connect(url, schema)
        self._settling = ", ".join(f"'{outcome}'" for outcome in settling)
        transact(self._adapter, lambda: _TABLE.ensure(self._adapter))
        self._path = self._adapter.path(WRITES)

    def append(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append rows and commit them; `wish` is a JSON value, `at` an instant."""
        made = [{**row, "wish": json.dumps(row["wish"], sort_keys=True)} for row in rows]
        transact(self._adapter, lambda: _TABLE.append(self._adapter, made))

    def unsettled(self, target: str) -> dict[str, dict[str, Any]]:
        """Return the wishes by key whose last write was sent and has no outcome."""
        key, wish, outcome, at, name = map(
            self._adapter.dialect.identifier, ("key", "wish", "outcome", "at", "target")
        )
        rows = self._adapter.execute(
            f"SELECT {key}, {wish} FROM (SELECT {key}, {wish}, {outcome}, "  # noqa: S608 - names of our own
            f"row_number() OVER (PARTITION BY {key} ORDER BY {at} DESC) AS place "
            f"FROM {self._path} WHERE {name} = '{target}' "
            f"AND {outcome} IN ('sent', {self._settling})) AS latest "
            f"WHERE place = 1 AND {outcome} = 'sent'"
        )
        return {key: json.loads(wish) if isinstance(wish, str) else wish for key, wish in rows}

    def accepted(self, target: str) -> dict[str, datetime]:
        """Return when each key was last accepted."""
        column = self._adapter.dialect.identifier
        rows = self._adapter.execute(
            f"SELECT {column('key')}, max({column('at')}) FROM {self._path} "  # noqa: S608 - names of our own
            f"WHERE {column('target')} = '{target}' AND {column('outcome')} = 'accepted' "
            f"GROUP BY {column('key')}"
        )
        return {key: dates.instant(at) for key, at in rows}

    def close(self) -> None:
        """Close the connection to the warehouse."""
        self._adapter.close()
