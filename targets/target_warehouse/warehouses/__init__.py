"""The warehouses: an adapter each, found by the scheme of the URL."""

from __future__ import annotations

import importlib
import re

from target_warehouse.transaction import transact
from target_warehouse.warehouses.base import Adapter, Merged, WarehouseError

__all__ = ["Adapter", "Merged", "WarehouseError", "connect", "is_through_dlt"]

_ADAPTERS = {
    # scheme: module of the adapter, extra of the distribution that brings its driver
    "duckdb": ("duckdb", "duckdb"),
    "postgres": ("postgresql", "postgres"),
    "postgresql": ("postgresql", "postgres"),
    "snowflake": ("snowflake", "snowflake"),
    "sqlite": ("sqlite", "sqlite"),
}
_THROUGH_DLT = {
    # scheme: what brings its driver
    "athena": "dlt[athena]",
    "bigquery": "dlt[bigquery]",
    "clickhouse": "dlt[clickhouse]",
    "databricks": "dlt[databricks]",
    "duckdb": "dlt[duckdb]",
    "mariadb": "dlt[sqlalchemy]' 'pymysql",
    "mssql": "dlt[mssql]",
    "mysql": "dlt[sqlalchemy]' 'pymysql",
    "oracle": "dlt[sqlalchemy,oracle]",
    "postgresql": "dlt[postgres]",
    "redshift": "dlt[redshift]",
    "snowflake": "dlt[snowflake]",
    "synapse": "dlt[synapse]",
}
_CREDENTIALS = re.compile(r"([^:@/?#%\s]|%[0-9A-Fa-f]{2})*(:([^:@/?#%\s]|%[0-9A-Fa-f]{2})*)?")


def is_through_dlt(url: str) -> bool:
    """Tell whether the warehouse at `url` has no adapter of its own, or that is not wanted."""
    return url.startswith("dlt+") or re.split(r"[+:]", url)[0] not in _ADAPTERS


def connect(url: str, schema: str | None) -> Adapter:
    """Connect to the warehouse at `url`; tables are in `schema`, or the database's own."""
    match = re.match(r"(dlt\+)?([a-z][a-z0-9]*)(\+[a-z0-9]+)?://", url)
    through_dlt = is_through_dlt(url)
    if not match or match[2] not in (_THROUGH_DLT if through_dlt else _ADAPTERS):
        found = f"has the scheme {match[2]!r}" if match else "has no scheme"
        known = ", ".join(f"{scheme}://" for scheme in sorted({*_ADAPTERS, *_THROUGH_DLT}))
        raise WarehouseError(f"the setting url {found}; it must begin with one of {known}")
    scheme = match[2]
    location = url[match.end() :]
    credentials = location.rpartition("@")[0]
    if not location.startswith("/") and not _CREDENTIALS.fullmatch(credentials):
        # Parts of a password would be taken for a host, and be printed as such.
        raise WarehouseError(
            "the user and password in the setting url must be percent-encoded: %40 for @, %2F for /"
        )
    if through_dlt:
        url = url.removeprefix("dlt+")
        module = "through_dlt.adapter"
        needed = f"'attribution-elt[dlt]' '{_THROUGH_DLT[scheme]}'"
    else:
        url = url.replace(match[3] or "", "", 1)
        module, extra = _ADAPTERS[scheme]
        needed = f"'attribution-elt[{extra}]'"
    try:
        adapter = importlib.import_module(f"target_warehouse.warehouses.{module}").ADAPTER
        connected: Adapter = adapter(url, schema)
    except ModuleNotFoundError as error:
        raise WarehouseError(
            f"a url that begins with {match[1] or ''}{scheme}:// needs the Python module "
            f"{error.name}: pip install {needed}"
        ) from error
    try:
        transact(connected, connected.use_schema)
    except Exception:
        connected.close()
        raise
    return connected
