"""Finds the rows that a table of PostgreSQL refuses, without a transaction for each of them."""

from __future__ import annotations

import re

import psycopg
import pyarrow as pa

from target_warehouse.warehouses.postgresql.copying import copy_by_line

NAME = "probed_rows"
_PATH = f"pg_temp.{NAME}"
_LINE = re.compile(rf"{NAME}\D*(\d+)")
_FEWEST = 64
"""Rows that are copied at once after an error."""


def refused_lines(
    connection: psycopg.Connection, path: str, rows: pa.Table
) -> dict[int, psycopg.Error]:
    """Return the errors of the rows whose values the table with this quoted name refuses.

    The rows are copied into an empty table with the types and checks of that table. An error names
    its line: the lines before it are valid, and those after it are copied next.
    """
    connection.execute(
        f"CREATE TEMPORARY TABLE {NAME} (LIKE {path} INCLUDING CONSTRAINTS INCLUDING DEFAULTS "
        "INCLUDING GENERATED INCLUDING IDENTITY) ON COMMIT DROP".encode()
    )
    found: dict[int, psycopg.Error] = {}
    start, size = 0, _FEWEST
    while start < len(rows):
        try:
            with connection.transaction():  # a savepoint
                copy_by_line(connection, _PATH, rows.slice(start, size))
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            line = _LINE.search(error.diag.context or "")
            if line is None:
                return found
            found[start + int(line[1]) - 1] = error
            start += int(line[1])
            size = max(2 * int(line[1]), _FEWEST)
        else:
            start += size
            size *= 2
    return found
