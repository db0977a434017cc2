"""Creates dlt destinations from URLs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

import dlt

_NAMES = {"mariadb": "sqlalchemy", "mysql": "sqlalchemy", "oracle": "sqlalchemy"} | {
    "postgresql": "postgres"
}
"""Names of dlt's destinations that differ from the scheme."""
_DRIVERS = {
    "mariadb": "mariadb+pymysql",
    "mysql": "mysql+pymysql",
    "oracle": "oracle+oracledb",
    "redshift": "postgresql",
}
"""Schemes that the libraries expect to which dlt passes the URL."""
_STAGING = "%s_staged_rows"
_Settings = dict[str, Any]


def destination(url: str) -> tuple[Any, Any]:
    """Return dlt's destination for a URL, and the staging bucket if one is set.

    A URL that is only a scheme leaves the rest to dlt's environment variables.
    """
    parts = urlsplit(url)
    settings = dict(parse_qsl(parts.query))
    bucket = settings.pop("staging", None)
    scheme = parts.scheme.partition("+")[0]
    build = _BUILDERS.get(scheme, _connection_string)
    known = build(parts, settings) if parts.netloc or parts.path else {}
    return (
        dlt.destination(_NAMES.get(scheme, scheme), staging_dataset_name_layout=_STAGING, **known),
        dlt.destination("filesystem", bucket_url=bucket) if bucket else None,
    )


def _connection_string(parts: SplitResult, settings: _Settings) -> _Settings:
    scheme = _DRIVERS.get(parts.scheme, parts.scheme)
    return {"credentials": parts._replace(scheme=scheme, query=urlencode(settings)).geturl()}


def _duckdb(parts: SplitResult, _: _Settings) -> _Settings:
    path = Path(unquote(parts.path)[1:])
    return {"credentials": str(path.resolve())}  # dlt would look for it in its own folder


def _bigquery(parts: SplitResult, settings: _Settings) -> _Settings:
    """Create `bigquery://project`.

    Without `credentials_path`, Google's default credentials apply.
    """
    path = settings.pop("credentials_path", None)
    key = {"credentials": Path(path).read_text("utf-8")} if path else {}
    return {"project_id": parts.netloc, **key, **settings}


def _databricks(parts: SplitResult, settings: _Settings) -> _Settings:
    """Create `databricks://token:<access token>@<server>/<catalog>?http_path=…`."""
    return {
        "credentials": {
            "server_hostname": parts.hostname,
            "access_token": unquote(parts.password or ""),
            "catalog": unquote(parts.path)[1:],
            **settings,
        }
    }


def _athena(parts: SplitResult, settings: _Settings) -> _Settings:
    """Create `athena://<region>?query_result_bucket=…`, with AWS's default credentials."""
    return {
        "credentials": {"region_name": parts.netloc},
        "force_iceberg": True,  # merges need this table format
        **settings,
    }


_BUILDERS: dict[str, Callable[[SplitResult, _Settings], _Settings]] = {
    "athena": _athena,
    "bigquery": _bigquery,
    "databricks": _databricks,
    "duckdb": _duckdb,
}


def file_format(capabilities: Any, *, has_bucket: bool) -> Any:
    """Return Parquet if the destination reads it: no other format is lossless everywhere."""
    if has_bucket:
        return "parquet"
    preferred = capabilities.preferred_loader_file_format
    supported = capabilities.supported_loader_file_formats
    if capabilities.loader_file_format_selector:
        preferred, supported = capabilities.loader_file_format_selector(
            preferred, supported, table_schema={}
        )
    return "parquet" if "parquet" in supported else preferred
