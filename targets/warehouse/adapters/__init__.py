"""The warehouses: an adapter each, found by the scheme of the URL."""

from __future__ import annotations

import importlib
import re

from targets.warehouse.adapters.base import Adapter, Merged, WarehouseError
from targets.warehouse.transaction import transact

__all__ = ["Adapter", "Merged", "WarehouseError", "connect"]

_ADAPTERS = {
    # scheme: module of the adapter, extra of the distribution that brings its driver
    "duckdb": ("duckdb", "duckdb"),
    "postgres": ("postgresql", "postgres"),
    "postgresql": ("postgresql", "postgres"),
    "snowflake": ("snowflake", "snowflake"),
    "sqlite": ("sqlite", "sqlite"),
}
_CREDENTIALS = re.compile(r"([^:@/?#%\s]|%[0-9A-Fa-f]{2})*(:([^:@/?#%\s]|%[0-9A-Fa-f]{2})*)?")


def connect(url: str, schema: str | None) -> Adapter:
    """Connect to the warehouse at `url`; tables are in `schema`, or the database's own."""
    match = re.match(r"([a-z][a-z0-9]*)(\+[a-z0-9]+)?://", url)
    if not match or match[1] not in _ADAPTERS:
        found = f"has the scheme {match[1]!r}" if match else "has no scheme"
        known = ", ".join(f"{scheme}://" for scheme in sorted(_ADAPTERS))
        raise WarehouseError(f"the setting url {found}; it must begin with one of {known}")
    location = url[match.end() :]
    credentials = location.rpartition("@")[0]
    if not location.startswith("/") and not _CREDENTIALS.fullmatch(credentials):
        # Parts of a password would be taken for a host, and be printed as such.
        raise WarehouseError(
            "the user and password in the setting url must be percent-encoded: %40 for @, %2F for /"
        )
    module, extra = _ADAPTERS[match[1]]
    try:
        adapter = importlib.import_module(f"targets.warehouse.adapters.{module}").ADAPTER
    except ModuleNotFoundError as error:
        raise WarehouseError(
            f"a url that begins with {match[1]}:// needs the Python module {error.name}: "
            f"pip install 'attribution-elt[{extra}]'"
        ) from error
    connected: Adapter = adapter(url.replace(match[2] or "", "", 1), schema)
    try:
        transact(connected, connected.use_schema)
    except Exception:
        connected.close()
        raise
    return connected
