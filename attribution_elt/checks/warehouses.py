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
from attribution_elt.meltano.warehouse import file_of, missing_file, title_of

POSTGRESQL = ("postgres", "postgresql")
TIME_ZONES = dict.fromkeys(POSTGRESQL, "SELECT reset_val FROM pg_settings WHERE name = 'TimeZone'")
"""Queries of the time zone in which other clients see instants, by scheme of the URL."""
WHO = {
    **dict.fromkeys(POSTGRESQL, "SELECT current_database(), current_user"),
    "snowflake": "SELECT current_database(), current_role()",
}
"""Queries of the database and the role for a GRANT, by scheme of the URL."""
_OF_POSTGRESQL = {
    "schema": "GRANT CREATE ON DATABASE {database} TO {role}",
    "table": "GRANT USAGE, CREATE ON SCHEMA {schema} TO {role}",
    "temporary": "GRANT TEMPORARY ON DATABASE {database} TO {role}",
    "rows": "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}",
}
GRANTS = {
    "postgres": _OF_POSTGRESQL,
    "postgresql": _OF_POSTGRESQL,
    "snowflake": {
        "schema": "GRANT CREATE SCHEMA ON DATABASE {database} TO ROLE {role}",
        "table": "GRANT USAGE, CREATE TABLE, CREATE VIEW, CREATE STAGE ON SCHEMA {schema} "
        "TO ROLE {role}",
    },
}
"""Statements that give a right, by scheme of the URL."""


def finding(loader: Loader, schemas: Sequence[str | None]) -> Finding:
    """Check that tables can be created and written in these schemas; the checks leave no trace."""
    found = Finding(loader.name)
    if file := missing_file(loader.url):
        _judge_folder(found, file)
        return found
    with _connected(found, loader.url) as adapter:
        if adapter is not None and is_through_dlt(loader.url):
            found.facts.append("can be reached; its rights were not checked")
        elif adapter is not None:
            names = [schema or adapter.schema for schema in schemas] if adapter.schema else [""]
            scheme = urlsplit(loader.url).scheme
            _judge_rights(found, adapter, names, scheme)
            if file_of(loader.url) is None:  # on another machine
                _judge_clock(found, adapter, scheme)
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


def _judge_rights(found: Finding, adapter: Adapter, schemas: Sequence[str], scheme: str) -> None:
    """Create tables and write to them, in transactions that are rolled back."""
    for schema in schemas:
        try:
            fault = _fault(adapter, schema)
        finally:
            adapter.rollback()
        if fault:
            right, problem = fault
            grant = _grant(adapter, scheme, right, schema)
            found.problems.append(f"{problem}; {grant}" if grant else problem)
        elif scheme in POSTGRESQL:
            found.problems += _foreign_tables(adapter, schema)
    if found.passed:
        found.facts.append(f"can create and write in {', '.join(schemas)}".removesuffix(" in "))


def _fault(adapter: Adapter, schema: str) -> tuple[str, str] | None:
    """Return the right that is missing and the problem, or None."""
    for right, step, statement in _trial(adapter, schema):
        try:
            adapter.execute(statement)
        except adapter.errors as error:
            return right, f"the user may not {step}: {adapter.explain(error)}"
    return None


def _trial(adapter: Adapter, schema: str) -> Iterator[tuple[str, str, str]]:
    """Yield the steps of a load: the right, the step in words, and in SQL.

    The last ones remove what the first created. The schema is empty for a warehouse without
    schemas.
    """
    name = f"_preflight_{uuid.uuid4().hex}"
    table, where, is_new = adapter.dialect.identifier(name), "", False
    temporary = adapter.dialect.identifier(f"{name}_batch")
    place = adapter.dialect.identifier(schema)
    if schema:
        table, where = f"{place}.{table}", f" in the schema {schema}"
        is_new = not adapter.has_schema(schema)
    if is_new:
        yield "schema", f"create the schema {schema}", f"CREATE SCHEMA {place}"
    yield "table", f"create a table{where}", f"CREATE TABLE {table} (moment TIMESTAMP)"
    yield "table", f"write to a table{where}", f"INSERT INTO {table} VALUES (CURRENT_TIMESTAMP)"
    yield "table", f"drop a table{where}", f"DROP TABLE {table}"
    if is_new:
        yield "schema", f"drop the schema {schema}", f"DROP SCHEMA {place}"
    words = "create a temporary table"
    yield "temporary", words, f"CREATE TEMPORARY TABLE {temporary} (moment TIMESTAMP)"


def _grant(adapter: Adapter, scheme: str, right: str, schema: str) -> str | None:
    """Return the statement that gives a right to the user, if the database has such."""
    statement = GRANTS.get(scheme, {}).get(right)
    if statement is None:
        return None
    row = adapter.execute(WHO[scheme])[0]
    adapter.rollback()
    database, role, place = map(adapter.dialect.identifier, (*row, schema))
    return statement.format(database=database, role=role, schema=place)


def _foreign_tables(adapter: Adapter, schema: str) -> Iterator[str]:
    """Yield a problem for the tables of a PostgreSQL schema that the user cannot write to."""
    rights = " AND ".join(
        f"has_table_privilege(c.oid, '{each}')" for each in ("SELECT", "INSERT", "UPDATE", "DELETE")
    )
    tables = adapter.execute(
        "SELECT c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace "
        f"WHERE n.nspname = {adapter.dialect.literal(schema)} AND c.relkind IN ('r', 'p') "
        f"AND NOT ({rights}) ORDER BY 1"
    )
    adapter.rollback()
    if tables:
        names = ", ".join(name for (name,) in tables)
        grant = _grant(adapter, "postgresql", "rows", schema)
        yield f"the user may not read and write the tables {names} in the schema {schema}; {grant}"


def judge_views(found: Finding, project: Project, loader: Loader) -> None:
    """Add a problem for each missing view that an account reads from."""
    if not any(map(views.is_read_by, project.accounts)):
        return
    try:
        wanted = views.views_of(project, loader)
    except OpsError as error:
        found.problems.append(str(error))
        return
    for view in wanted:
        if not view.exists and not view.missing:
            found.problems.append(f"the view {view.title} is missing: attribution-elt views")


def _judge_clock(found: Finding, adapter: Adapter, scheme: str) -> None:
    now: datetime = adapter.execute("SELECT CURRENT_TIMESTAMP")[0][0]
    ahead = now.astimezone(UTC).timestamp() - time.time()
    found.judge_clock("its", ahead if abs(ahead) > 2 else 0)  # the query itself takes time
    if scheme in TIME_ZONES:
        found.facts.append(
            f"its days begin in the time zone {adapter.execute(TIME_ZONES[scheme])[0][0]}"
        )
    adapter.rollback()
