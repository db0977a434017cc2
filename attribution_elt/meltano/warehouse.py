"""Connections to the warehouses of the project's loaders."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from target_warehouse.warehouses.base import Adapter
from target_warehouse.warehouses.registry import connect, is_through_dlt

from attribution_elt.core.errors import OneLineError, OpsError, in_a_line
from attribution_elt.core.redaction import passwords_of, redactor, secrets_of

_SECRET = {"properties": {"url": {"secret": True}}}


def keep_secret(url: str) -> None:
    """Keep the secrets of a warehouse's URL, valid or not, out of all output."""
    redactor.add([*secrets_of(_SECRET, {"url": url}), *passwords_of(url)])


def file_of(url: str) -> Path | None:
    """Return the file of a warehouse; None if the warehouse is not a local file."""
    parts = urlsplit(url)
    name = unquote(parts.path)[1:]
    is_file = parts.scheme in {"duckdb", "sqlite"} and not name.startswith((":", "md:"))
    return Path(name) if is_file and name else None


def missing_file(url: str) -> Path | None:
    """Return the file of a warehouse if it does not exist yet; a connection would create it."""
    file = file_of(url)
    return None if file is None or file.exists() else file


def title_of(url: str) -> str:
    """Return a warehouse's name without credentials: `postgresql shop on db.example:5432`.

    If the URL of a PostgreSQL database omits a part, it is taken from the variables of libpq.
    """
    scheme, _, rest = url.partition("://")
    place = rest.rpartition("@")[2].partition("?")[0]
    kind = scheme.removeprefix("dlt+").partition("+")[0]
    if kind in {"postgres", "postgresql"} and not scheme.startswith("dlt+"):
        return f"postgresql {_postgresql(url, place)}"
    return " ".join(filter(None, (kind, place.removeprefix("/"))))


def _postgresql(url: str, place: str) -> str:
    hosts, _, database = place.partition("/")
    given = parse_qs(url.partition("?")[2])

    def value(name: str, variable: str) -> str:
        return "".join(given.get(name, ())[:1]) or os.environ.get(variable, "")

    host = hosts or value("host", "PGHOST")
    database = unquote(database) or value("dbname", "PGDATABASE") or value("user", "PGUSER")
    named = database or "(the user's database)"
    if not host or host.startswith("/"):
        return f"{named} on a local socket"
    has_port = hosts.rpartition(":")[2].isdecimal() and not hosts.endswith("]")
    return f"{named} on {host}" + ("" if has_port else f":{value('port', 'PGPORT') or 5432}")


@contextmanager
def existing(url: str, schema: str | None, *, is_needed: bool = True) -> Iterator[Adapter | None]:
    """Connect to a schema; yield None if it does not exist: a connection to it would create it.

    A schema that no account needs may belong to others: an error of the warehouse ends the block
    without an exception.
    """
    if schema and not is_through_dlt(url):
        with closing(connect(url, None)) as adapter:
            exists = adapter.has_schema(schema)
        if not exists:
            yield None
            return
    with closing(connect(url, schema)) as adapter:
        try:
            yield adapter
        except adapter.errors:
            if is_needed:
                raise


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Raise any driver's error as an OpsError in one line that begins with `what`."""
    try:
        yield
    except OneLineError:
        raise
    except Exception as error:
        raise OpsError(f"{what}: {redactor(in_a_line(error))}") from error


@contextmanager
def opened(what: str, url: str, schema: str | None) -> Iterator[Adapter]:
    """Connect to a schema, which is created if it is missing; errors begin with `what`."""
    with explained(what), closing(connect(url, schema)) as adapter:
        yield adapter
