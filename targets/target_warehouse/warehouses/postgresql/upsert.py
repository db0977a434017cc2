"""The statements that merge staged rows into a table of PostgreSQL."""

# ruff: noqa: S608 - identifiers are quoted, and nothing else is put into SQL

from __future__ import annotations

from collections.abc import Mapping, Sequence

from target_warehouse.columns import Column, ColumnType
from target_warehouse.warehouses.dialect import listed, quoted
from target_warehouse.warehouses.history import BATCHED_AT

UNTIL, IS_NEW = "_sdc_until", "_sdc_is_new"
"""Columns of `keeping`: the end of a version, and whether the row is new."""


class Upsert:
    """INSERT with ON CONFLICT from a staged table; the target table has the alias `held`."""

    def __init__(
        self, path: str, columns: Mapping[str, Column], keys: Sequence[str], compared: Sequence[str]
    ) -> None:
        """`compared` are the columns that decide whether a row has changed."""
        self._path, self._keys, self._compared = path, keys, compared
        self._columns = columns
        self._same = " AND ".join(f"held.{key} = new.{key}" for key in map(quoted, keys))

    def sql(self, source: str) -> str:
        """Return the statement."""
        names = listed(self._columns)
        changed = (name for name in self._columns if name not in self._keys)
        update = ", ".join(f"{name} = excluded.{name}" for name in map(quoted, changed))
        action = f"UPDATE SET {update} WHERE {self._differs('excluded')}"
        return (
            f"INSERT INTO {self._path} AS held ({names}) SELECT {names} FROM {source} "
            f"ON CONFLICT ({listed(self._keys)}) DO {action if self._compared else 'NOTHING'}"
        )

    def keeping(self, source: str, names: Sequence[str], kept: str) -> str:
        """Return the statement that also keeps old versions; it counts new and changed rows.

        It needs PostgreSQL 18. `kept` inserts the columns `names` of old versions and UNTIL.
        """
        was = ", ".join(f"was.{quoted(name)}" for name in names)
        key = quoted(self._keys[0])
        return (
            f"WITH merged AS ({self.sql(source)} RETURNING WITH (OLD AS was, NEW AS became) "
            f"{was}, became.{quoted(BATCHED_AT)} AS {UNTIL}, was.{key} IS NULL AS {IS_NEW}), "
            f"kept AS ({kept} FROM merged WHERE NOT {IS_NEW}) "
            f"SELECT count(*) FILTER (WHERE {IS_NEW}), count(*) FROM merged"
        )

    def difference(self, source: str) -> str:
        """Return the query of the staged rows that are new or differ."""
        return (
            f"SELECT new.* FROM {source} AS new LEFT JOIN {self._path} AS held ON {self._same} "
            f"WHERE held.{quoted(self._keys[0])} IS NULL OR {self._differs('new')}"
        )

    def new_rows(self, source: str) -> str:
        """Return the query that counts the staged rows whose key the table does not have."""
        return (
            f"SELECT count(*) FROM {source} AS new "
            f"WHERE NOT EXISTS (SELECT 1 FROM {self._path} AS held WHERE {self._same})"
        )

    def _differs(self, other: str) -> str:
        if not self._compared:
            return "false"
        held, new = (
            ", ".join(f"{place}.{self._comparable(name)}" for name in self._compared)
            for place in ("held", other)
        )
        return f"ROW({held}) IS DISTINCT FROM ROW({new})"

    def _comparable(self, name: str) -> str:
        is_json = self._columns[name].kind is ColumnType.JSON  # json has no equality operator
        return f"{quoted(name)}::text" if is_json else quoted(name)
