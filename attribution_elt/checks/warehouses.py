"""Checks of the warehouse: connection, rights, clock and views."""

# ruff: noqa: S608 - identifiers are quoted, and nothing else is put into SQL

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from target_warehouse.warehouses.base import Adapter
from target_warehouse.warehouses.registry import connect, is_through_dlt

from attribution_elt.checks.findings import Finding
from attribution_elt.core.errors import OpsError, in_a_line
from attribution_elt.meltano import views
from attribution_elt.meltano.project import Loader, Project
from attribution_elt.meltano.warehouse import file_of, has_schema, keep_secret, title_of

SKEW = 60
"""Maximum seconds between the warehouse's clock and ours."""
TIME_ZONES = {
    "postgres": "SELECT reset_val FROM pg_settings WHERE name = 'TimeZone'",
    "postgresql": "SELECT reset_val FROM pg_settings WHERE name = 'TimeZone'",
}
"""Queries of the time zone in which other clients see instants, by scheme of the URL."""


def finding(loader: Loader, schemas: Sequence[str | None]) -> Finding:
    """Check that tables can be created and written in these schemas; the checks leave no trace."""
    keep_secret(loader.url)
    found = Finding(loader.name)
    file = file_of(loader.url)
    if file is not None and not file.exists():
        _judge_folder(found, file)
        return found
    with _connected(found, loader.url) as adapter:
        if adapter is not None and is_through_dlt(loader.url):
            found.facts.append("can be reached; its rights were not checked")
        elif adapter is not None:
            names = [schema or adapter.schema for schema in schemas] if adapter.schema else [""]
            _judge_rights(found, adapter, names)
            if file is None:  # on another machine
                _judge_clock(found, adapter, urlsplit(loader.url).scheme)
    return found


def _judge_folder(found: Finding, file: Path) -> None:
    folder = file.resolve().parent
    if folder.is_dir() and os.access(folder, os.W_OK):
        found.facts.append(f"{file} will be created by the first run")
    else:
        found.problems.append(f"{folder} is not a folder that {file.name} can be written to")


@contextlib.contextmanager
def _connected(found: Finding, url: str) -> Iterator[Adapter | None]:
    try:
        adapter = connect(url, None)
    except Exception as error:  # noqa: BLE001 - each driver has its own
        found.problems.append(f"{title_of(url)} cannot be reached: {in_a_line(error)}")
        yield None
        return
    try:
        yield adapter
    finally:
        adapter.close()


def _judge_rights(found: Finding, adapter: Adapter, schemas: Sequence[str]) -> None:
    """Create tables and write to them, in transactions that are rolled back."""
    for schema in schemas:
        try:
            fault = _fault(adapter, schema)
        finally:
            adapter.rollback()
        if fault:
            found.problems.append(fault)
    if found.passed:
        found.facts.append(f"can create and write in {', '.join(schemas)}".removesuffix(" in "))


def _fault(adapter: Adapter, schema: str) -> str | None:
    for step, statement in _trial(adapter, schema):
        try:
            adapter.execute(statement)
        except adapter.errors as error:
            return f"the user may not {step}: {adapter.explain(error)}"
    return None


def _trial(adapter: Adapter, schema: str) -> Iterator[tuple[str, str]]:
    """Yield the steps of a load, in words and in SQL; the last ones remove what the first created.

    The schema is empty for a warehouse without schemas.
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


def judge_views(found: Finding, project: Project, loader: Loader) -> None:
    """Add a problem for each missing view that an account reads from."""
    needed = [view for each in project.accounts for view in views.views_of(each)]
    try:
        places = views.places(project, loader, dict.fromkeys(needed)) if needed else []
    except OpsError as error:
        found.problems.append(str(error))
        return
    for place in places:
        if not place.exists and not place.missing:
            found.problems.append(f"the view {place.title} is missing: attribution-elt views")


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
