"""Whether the warehouse is there, and lets the loader work."""

# ruff: noqa: S608 - identifiers are quoted, and nothing else is put into SQL

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from target_warehouse.warehouses.base import Adapter
from target_warehouse.warehouses.registry import connect, is_through_dlt

from attribution_elt.checks.findings import Finding
from attribution_elt.core.errors import in_a_line
from attribution_elt.core.redaction import passwords_of, redactor, secrets_of
from attribution_elt.meltano.project import Loader

SKEW = 60
"""Seconds by which the warehouse's clock may differ from ours before somebody should set one."""
TIME_ZONES = {
    "postgres": "SELECT reset_val FROM pg_settings WHERE name = 'TimeZone'",
    "postgresql": "SELECT reset_val FROM pg_settings WHERE name = 'TimeZone'",
}
"""By scheme: in which time zone others see what is stored as instants."""
_SECRET = {"properties": {"url": {"secret": True}}}


def finding(loader: Loader, schemas: Sequence[str | None]) -> Finding:
    """Look whether tables can be made and written in these schemas; nothing is left behind."""
    keep_secret(loader.url)
    found = Finding(loader.name)
    file = file_of(loader.url)
    if file is not None and not file.exists():
        _judge_folder(found, file)
        return found
    with _connected(found, loader.url) as adapter:
        if adapter is not None and is_through_dlt(loader.url):
            found.facts.append("can be reached; what may be done there has not been tried")
        elif adapter is not None:
            names = [schema or adapter.schema for schema in schemas] if adapter.schema else [""]
            _judge_rights(found, adapter, names)
            if file is None:  # on a machine of its own
                _judge_clock(found, adapter, urlsplit(loader.url).scheme)
    return found


def keep_secret(url: str) -> None:
    """Keep what is secret in a warehouse's URL, sound or not, out of all that is printed."""
    redactor.add([*secrets_of(_SECRET, {"url": url}), *passwords_of(url)])


def file_of(url: str) -> Path | None:
    """Return the file that a warehouse is in, if it is one."""
    parts = urlsplit(url)
    name = unquote(parts.path)[1:]
    is_file = parts.scheme in {"duckdb", "sqlite"} and not name.startswith((":", "md:"))
    return Path(name) if is_file and name else None


def has_schema(adapter: Adapter, schema: str) -> bool:
    """Tell whether a warehouse that has schemas has this one."""
    name = adapter.dialect.identifier(schema)[1:-1].replace('""', '"')  # as the warehouse spells it
    has = "SELECT 1 FROM information_schema.schemata WHERE schema_name = "
    return bool(adapter.execute(has + adapter.dialect.literal(name)))


def _judge_folder(found: Finding, file: Path) -> None:
    folder = file.resolve().parent
    if folder.is_dir() and os.access(folder, os.W_OK):
        found.facts.append(f"{file} will be made by the first run")
    else:
        found.problems.append(f"{folder}, where {file.name} should be, is no folder to write in")


@contextlib.contextmanager
def _connected(found: Finding, url: str) -> Iterator[Adapter | None]:
    try:
        adapter = connect(url, None)
    except Exception as error:  # noqa: BLE001 - each driver has its own
        found.problems.append(f"it cannot be reached: {in_a_line(error)}")
        yield None
        return
    try:
        yield adapter
    finally:
        adapter.close()


def _judge_rights(found: Finding, adapter: Adapter, schemas: Sequence[str]) -> None:
    """Make tables and write to them, in transactions that are rolled back."""
    for schema in schemas:
        try:
            fault = _fault(adapter, schema)
        finally:
            adapter.rollback()
        if fault:
            found.problems.append(fault)
    if found.ok:
        found.facts.append(f"may create and write in {', '.join(schemas)}".removesuffix(" in "))


def _fault(adapter: Adapter, schema: str) -> str | None:
    for step, statement in _trial(adapter, schema):
        try:
            adapter.execute(statement)
        except adapter.errors as error:
            return f"it is not allowed to {step}: {adapter.explain(error)}"
    return None


def _trial(adapter: Adapter, schema: str) -> Iterator[tuple[str, str]]:
    """Yield what a load does, in words and in SQL; where nothing is rolled back, nothing is left.

    A warehouse without schemas has an empty one.
    """
    table, where, is_new = adapter.dialect.identifier(f"_preflight_{uuid.uuid4().hex}"), "", False
    place = adapter.dialect.identifier(schema)
    if schema:
        table, where = f"{place}.{table}", f" in the schema {schema}"
        is_new = not has_schema(adapter, schema)
    if is_new:
        yield f"make the schema {schema}", f"CREATE SCHEMA {place}"
    yield f"make a table{where}", f"CREATE TABLE {table} (moment TIMESTAMP)"
    yield f"write to a table{where}", f"INSERT INTO {table} VALUES (CURRENT_TIMESTAMP)"
    yield f"drop a table{where}", f"DROP TABLE {table}"
    if is_new:
        yield f"drop the schema {schema}", f"DROP SCHEMA {place}"


def _judge_clock(found: Finding, adapter: Adapter, scheme: str) -> None:
    now: datetime = adapter.execute("SELECT CURRENT_TIMESTAMP")[0][0]
    ahead = now.astimezone(UTC).timestamp() - time.time()
    if abs(ahead) > SKEW:
        side = "ahead of" if ahead > 0 else "behind"
        found.problems.append(f"its clock is {abs(ahead):.0f} s {side} this machine's")
    else:
        found.facts.append("clocks agree")
    if scheme in TIME_ZONES:
        found.facts.append(
            f"its days begin in the time zone {adapter.execute(TIME_ZONES[scheme])[0][0]}"
        )
    adapter.rollback()
