"""A URL as one of dlt's destinations, with what dlt wants to know of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

import dlt

_NAMES = {"mariadb": "sqlalchemy", "mysql": "sqlalchemy", "oracle": "sqlalchemy"} | {
    "postgresql": "postgres"
}
"""Of dlt's destinations, where they are not the scheme."""
_DRIVERS = {
    "mariadb": "mariadb+pymysql",
    "mysql": "mysql+pymysql",
    "oracle": "oracle+oracledb",
    "redshift": "postgresql",
}
"""Schemes as the libraries want them that dlt hands a URL to."""
_STAGING = "%s_staged_rows"
_Settings = dict[str, Any]


def destination(url: str) -> tuple[Any, Any]:
    """Return dlt's destination for a URL, and the bucket to stage files in, if one is set.

    A URL of nothing but a scheme leaves the rest to dlt's environment variables.
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
    return {"credentials": str(path.resolve())}  # dlt would look for it in a folder of its own


def _bigquery(parts: SplitResult, settings: _Settings) -> _Settings:
    """Of `bigquery://project`; without `credentials_path`, Google's default credentials."""
    path = settings.pop("credentials_path", None)
    key = {"credentials": Path(path).read_text("utf-8")} if path else {}
    return {"project_id": parts.netloc, **key, **settings}


def _databricks(parts: SplitResult, settings: _Settings) -> _Settings:
    """Of `databricks://token:<access token>@<server>/<catalog>?http_path=…`."""
    return {
        "credentials": {
            "server_hostname": parts.hostname,
            "access_token": unquote(parts.password or ""),
            "catalog": unquote(parts.path)[1:],
            **settings,
        }
    }


def _athena(parts: SplitResult, settings: _Settings) -> _Settings:
    """Of `athena://<region>?query_result_bucket=…`; keys are where AWS's tools look for them."""
    return {
        "credentials": {"region_name": parts.netloc},
        "force_iceberg": True,  # no other tables can be merged into
        **settings,
    }


_BUILDERS: dict[str, Callable[[SplitResult, _Settings], _Settings]] = {
    "athena": _athena,
    "bigquery": _bigquery,
    "databricks": _databricks,
    "duckdb": _duckdb,
}


def file_format(capabilities: Any, *, has_bucket: bool) -> Any:
    """Return Parquet, where the destination takes it, for it alone loses nothing anywhere."""
    if has_bucket:
        return "parquet"
    preferred = capabilities.preferred_loader_file_format
    supported = capabilities.supported_loader_file_formats
    if capabilities.loader_file_format_selector:
        preferred, supported = capabilities.loader_file_format_selector(
            preferred, supported, table_schema={}
        )
    return "parquet" if "parquet" in supported else preferred
