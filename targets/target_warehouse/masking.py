"""Erases values that earlier loads stored in another form, after a change of `pii`."""

# ruff: noqa: S608 - identifiers and literals are quoted, and nothing else is put into SQL

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import UTC, datetime

from attribution_elt.core.events import MASKING, REJECTED
from attribution_elt.core.people import Personal
from target_warehouse.system_tables import SystemTable
from target_warehouse.warehouses.base import Adapter

KEPT = "keep"
_TABLE = SystemTable(MASKING, "stream text, setting text, since timestamp")

logger = logging.getLogger("target-warehouse")


def follow(
    adapter: Adapter, stream: str, tables: Collection[str], personal: Personal, setting: str
) -> None:
    """Erase the personal columns of a stream whose setting `pii` has changed; the caller commits.

    A tap refuses such a change unless everything is loaded again, so that the values come back in
    their new form. Rows whose key is personal are removed, because they come back with another key.
    `tables` are the stream's table and its history, if they exist. `setting` is what the tap
    announces: `keep`, or the mode and a fingerprint of the key.
    """
    quoted = adapter.dialect.identifier
    of_stream = f"{quoted('stream')} = {adapter.dialect.literal(stream)}"
    before = None
    if adapter.columns(MASKING):
        rows = adapter.execute(
            f"SELECT {quoted('setting')} FROM {adapter.path(MASKING)} WHERE {of_stream}"
        )
        before = rows[0][0] if rows else None
    if setting == (before or KEPT):
        return
    if before or not all(map(adapter.is_empty, tables)):
        logger.warning(
            "stream %r: the setting 'pii' has changed: personal data of earlier loads is erased, "
            "and has to be loaded again",
            stream,
        )
    for table in tables:
        _erase(adapter, table, personal)
    if adapter.columns(REJECTED):
        adapter.execute(f"DELETE FROM {adapter.path(REJECTED)} WHERE {of_stream}")
    _TABLE.ensure(adapter)
    adapter.execute(f"DELETE FROM {adapter.path(MASKING)} WHERE {of_stream}")
    _TABLE.append(adapter, [{"stream": stream, "setting": setting, "since": datetime.now(UTC)}])


def _erase(adapter: Adapter, table: str, personal: Personal) -> None:
    if personal.keys & personal.pii:
        adapter.execute(f"DELETE FROM {adapter.path(table)}")
        adapter.check_gone(table, f"FROM {adapter.path(table)}")
        return
    names = [adapter.dialect.identifier(n) for n in adapter.columns(table) if n in personal.pii]
    if names:
        changes = ", ".join(f"{name} = NULL" for name in names)
        some = " OR ".join(f"{name} IS NOT NULL" for name in names)
        adapter.execute(f"UPDATE {adapter.path(table)} SET {changes} WHERE {some}")
        adapter.check_gone(table, f"FROM {adapter.path(table)} WHERE {some}")
