"""Sessions of Snowflake, opened from a URL that begins with snowflake://."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import snowflake.connector
from snowflake.connector.errors import Error, OperationalError

from attribution_elt.core.errors import in_a_line
from target_warehouse.warehouses.base import WarehouseError

_FORM = "snowflake://user:password@account/database/schema?warehouse=name&role=name"
_LOGIN_TIMEOUT = 60  # seconds
_WAITS = (1, 2, 4, 8, 16, 16, 16)
"""Seconds before each repetition of a request that got no response."""
_SESSION = {
    "TIMEZONE": "UTC",
    "QUOTED_IDENTIFIERS_IGNORE_CASE": False,
    **{f"{kind}_INPUT_FORMAT": "AUTO" for kind in ("DATE", "TIME", "TIMESTAMP")},
    # texts of a column that becomes text
    "DATE_OUTPUT_FORMAT": "YYYY-MM-DD",
    "TIME_OUTPUT_FORMAT": "HH24:MI:SS.FF6",
    **{
        f"TIMESTAMP_{sort}_OUTPUT_FORMAT": 'YYYY-MM-DD"T"HH24:MI:SS.FF6TZH:TZM'
        for sort in ("LTZ", "NTZ", "TZ")
    },
}


def _truth(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


_TEXTS = (
    *("warehouse", "role", "authenticator", "token", "token_file_path", "passcode"),
    *("private_key_file", "private_key_file_pwd", "oauth_client_id", "oauth_client_secret"),
    *("oauth_token_request_url", "oauth_scope", "host", "protocol"),
    *("proxy_host", "proxy_port", "proxy_user", "proxy_password"),
)
_PARAMETERS: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(_TEXTS, str),
    "port": int,
    "login_timeout": int,
    "client_session_keep_alive": _truth,
}
"""The driver's parameters that a URL may set, and how they are read."""
_SYNONYMS = {
    "private_key_path": "private_key_file",
    "private_key_passphrase": "private_key_file_pwd",
}
"""Names that other loaders use for parameters."""


def opened(url: str) -> snowflake.connector.SnowflakeConnection:
    """Open a session.

    Raises:
        WarehouseError: the URL is invalid, or Snowflake refused the session.
    """
    parameters = _parameters(url)
    # The driver logs only what its exceptions contain too.
    logging.getLogger("snowflake.connector").setLevel(logging.CRITICAL)
    try:
        # warnings about future versions of the driver
        with warnings.catch_warnings(action="ignore"):
            return snowflake.connector.connect(
                **parameters,
                application="target-warehouse",
                autocommit=True,
                backoff_policy=_waits,
                session_parameters=_SESSION,
            )
    except Error as error:
        reason = in_a_line(error)
        raise WarehouseError(
            f"cannot sign in to the Snowflake account {parameters['account']!r}: {reason}"
        ) from error
    except (OSError, TypeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise WarehouseError(
            f"the private key of the setting url is not usable: {reason}"
        ) from error


def _waits() -> Iterator[int]:
    """Limit the driver's retries, which are endless by default."""
    yield from _WAITS
    raise OperationalError(f"Snowflake has not responded for {sum(_WAITS)} s")


def _parameters(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    credentials, _, account = parts.netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    database, _, schema = parts.path.strip("/").partition("/")
    if not account or ":" in account or not database or "/" in schema:
        raise WarehouseError(f"the setting url must be of the form {_FORM}")
    named = {
        "account": account.removesuffix(".snowflakecomputing.com"),
        "user": unquote(user),
        "password": unquote(password),
        "database": unquote(database),
        "schema": unquote(schema),
    }
    given = {name: value for name, value in named.items() if value}
    parameters = dict(map(_parameter, parse_qsl(parts.query)))
    return {"login_timeout": _LOGIN_TIMEOUT, **given, **parameters}


def _parameter(given: tuple[str, str]) -> tuple[str, Any]:
    name = _SYNONYMS.get(given[0], given[0])
    if name not in _PARAMETERS:
        known = ", ".join([*_PARAMETERS, *_SYNONYMS])
        raise WarehouseError(
            f"the setting url has an unknown parameter {given[0]!r}; known are {known}"
        )
    try:
        return name, _PARAMETERS[name](given[1])
    except (KeyError, ValueError):
        sort = "true or false" if _PARAMETERS[name] is _truth else "a whole number"
        raise WarehouseError(f"the parameter {name} of the setting url must be {sort}") from None
