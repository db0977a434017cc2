"""Finds the adapter of a URL by its scheme, and connects."""

from __future__ import annotations

import importlib
import logging
import re

from target_warehouse.warehouses.base import Adapter, WarehouseError
from target_warehouse.warehouses.transaction import retry, transact

_OWN = {
    # scheme: module of the adapter, and extra of the distribution that installs its driver
    "duckdb": ("duckdb.adapter", "duckdb"),
    "postgres": ("postgresql.adapter", "postgres"),
    "postgresql": ("postgresql.adapter", "postgres"),
    "snowflake": ("snowflake.adapter", "snowflake"),
    "sqlite": ("sqlite.adapter", "sqlite"),
}
_THROUGH_DLT = {
    # scheme: requirements that install its driver
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
_URL = re.compile(r"(?P<dlt>dlt\+)?(?P<scheme>[a-z][a-z0-9]*)(?P<driver>\+[a-z0-9]+)?://")
_CREDENTIALS = re.compile(r"([^:@/?#%\s]|%[0-9A-Fa-f]{2})*(:([^:@/?#%\s]|%[0-9A-Fa-f]{2})*)?")

logger = logging.getLogger("target-warehouse")


def is_through_dlt(url: str) -> bool:
    """Return whether dlt loads this URL: its scheme has no adapter here, or it begins `dlt+`."""
    url = normalized(url)
    return url.startswith("dlt+") or re.split(r"[+:]", url)[0] not in _OWN


def own_adapters() -> dict[str, type[Adapter]]:
    """Import the adapters that do not use dlt, by name; all their drivers must be installed."""
    found = [_adapter(module) for module in dict.fromkeys(module for module, _ in _OWN.values())]
    return {each.__name__.removesuffix("Adapter"): each for each in found}


def connect(url: str, schema: str | None, *, is_patient: bool = False) -> Adapter:
    """Connect to the warehouse at `url`.

    Args:
        url: Connection URL, as in the setting `url`.
        schema: Schema of the tables, created if it is missing; None for the database's default.
        is_patient: Whether to wait up to a minute for a server that is busy or starting.

    Raises:
        WarehouseError: The URL is not valid, or its driver is not installed.
    """
    module, requirements, prefix, url = location(url)
    try:
        adapter = _adapter(module)(url, schema)
        if is_patient:
            retry(adapter, adapter.connect)
        else:
            adapter.connect()
    except ModuleNotFoundError as error:
        raise WarehouseError(
            f"a url that begins with {prefix} needs the Python module {error.name}: "
            f"pip install {requirements}"
        ) from error
    try:
        transact(adapter, adapter.use_schema)
    except Exception:
        adapter.close()
        raise
    return adapter


def _adapter(module: str) -> type[Adapter]:
    adapter: type[Adapter] = importlib.import_module(
        f"target_warehouse.warehouses.{module}"
    ).ADAPTER
    return adapter


def normalized(url: str) -> str:
    """Return a URL without blanks around it, and with its scheme in lower case."""
    scheme, separator, rest = url.strip().partition("://")
    return f"{scheme.lower()}{separator}{rest}"


def location(url: str) -> tuple[str, str, str, str]:
    """Return the adapter's module and requirements, how the URL begins, and the adapter's URL.

    Raises:
        WarehouseError: The URL is not valid.
    """
    url = normalized(url)
    match = _URL.match(url)
    through_dlt = is_through_dlt(url)
    if not match or match["scheme"] not in (_THROUGH_DLT if through_dlt else _OWN):
        found = f"has the scheme {match['scheme']!r}" if match else "has no scheme"
        known = ", ".join(f"{scheme}://" for scheme in sorted({*_OWN, *_THROUGH_DLT}))
        raise WarehouseError(f"the setting url {found}; it must begin with one of {known}")
    scheme = match["scheme"]
    rest = url[match.end() :]
    if not rest.startswith("/") and not _CREDENTIALS.fullmatch(rest.rpartition("@")[0]):
        # Otherwise a part of the password would be read as the host, which errors show.
        raise WarehouseError(
            "the user and password in the setting url must be percent-encoded: %40 for @, %2F for /"
        )
    prefix = f"{match['dlt'] or ''}{scheme}://"
    if through_dlt:
        logger.info("%s is loaded through dlt, which is experimental", prefix)
        requirements = f"'attribution-elt[dlt]' '{_THROUGH_DLT[scheme]}'"
        return "through_dlt.adapter", requirements, prefix, url.removeprefix("dlt+")
    module, extra = _OWN[scheme]
    return module, f"'attribution-elt[{extra}]'", prefix, f"{scheme}://{rest}"
