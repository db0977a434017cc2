"""Connections to PostgreSQL, and which of their errors are transient."""

from __future__ import annotations

import os
import re
import socket
from contextlib import suppress

import psycopg
from psycopg.conninfo import conninfo_to_dict

_DEFAULTS = {
    "application_name": "target-warehouse",
    "connect_timeout": "15",
    # A server that disappears without closing its connections is noticed within a minute.
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
}
"""Parameters of libpq, unless the URL sets them."""
_SESSION = (
    "SET client_encoding = 'UTF8'",
    "SET TIME ZONE 'UTC'",
    "SET DateStyle = 'ISO'",  # a column of dates may become text
    "SET standard_conforming_strings = on",  # otherwise a backslash could end a literal
)
"""Parameters that PgBouncer carries over to each server connection of a client."""
_BUFFER = 4 << 20  # bytes
_TRANSIENT = {
    psycopg.errors.SerializationFailure.sqlstate,
    psycopg.errors.DeadlockDetected.sqlstate,
    psycopg.errors.TooManyConnections.sqlstate,
    psycopg.errors.AdminShutdown.sqlstate,
    psycopg.errors.CrashShutdown.sqlstate,
    psycopg.errors.CannotConnectNow.sqlstate,
    psycopg.errors.IdleSessionTimeout.sqlstate,
    psycopg.errors.IdleInTransactionSessionTimeout.sqlstate,
    psycopg.errors.ReadOnlySqlTransaction.sqlstate,  # the old primary, in a failover
}
_MENDED_BY_HAND = re.compile(
    r"invalid|certificate|does not support SSL|encryption required|definition of service|no pg_hba|"
    r"no password|authentication",
    re.IGNORECASE,
)
_OF_A_BUSY_SERVER = re.compile(
    r"too many|connection slots|no more connections|starting up|shutting down|recovery mode|"
    r"not yet accepting|terminating connection|cannot connect to server|login (has been )?fail|"
    r"query_wait_timeout",
    re.IGNORECASE,
)
"""Refusals of PostgreSQL and PgBouncer that are temporary."""


def opened(url: str) -> psycopg.Connection:
    """Connect, with UTC as the session's time zone."""
    parameters = _DEFAULTS | conninfo_to_dict(url)
    connection = psycopg.connect(url, **parameters)  # type: ignore[arg-type] # all of libpq's
    _enlarge_buffer(connection.fileno())
    # PgBouncer may send the next transaction to a server that has not prepared the statement.
    connection.prepare_threshold = None
    connection.autocommit = True  # parameters that a transaction sets are lost if it is rolled back
    for statement in _SESSION:
        connection.execute(statement.encode())
    connection.autocommit = False
    return connection


def is_transient(error: Exception) -> bool:
    """Return whether a retry, perhaps on a new connection, may succeed without intervention."""
    state = getattr(error, "sqlstate", None)
    if state is not None:
        return state.startswith("08") or state in _TRANSIENT
    text = str(error)  # libpq gives no SQLSTATE when it cannot connect
    if not isinstance(error, psycopg.OperationalError) or _MENDED_BY_HAND.search(text):
        return False
    return "FATAL:" not in text or bool(_OF_A_BUSY_SERVER.search(text))


def _enlarge_buffer(descriptor: int) -> None:
    """Enlarge the buffer of a local socket to that of a network connection.

    Otherwise a server that has read it empty waits until this thread runs again.
    """
    with socket.socket(fileno=os.dup(descriptor)) as connection:
        if connection.family is not socket.AF_UNIX:
            return
        with suppress(OSError):  # some systems refuse a size that others reduce
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
