"""Uploads rows to a session's stage, and copies them into a temporary table as texts."""

# ruff: noqa: S608 - all names are made here

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from target_warehouse.columns import Column
from target_warehouse.warehouses.base import WarehouseError
from target_warehouse.warehouses.snowflake.values import as_texts


def own_texts(rows: pa.Table, columns: Mapping[str, Column]) -> pa.Table:
    """Return rows as texts, in columns whose names need no quotes."""
    return pa.table(
        {
            f"C{index}": as_texts(rows[name], column.kind)
            for index, (name, column) in enumerate(columns.items())
        }
    )


def upload(
    execute: Callable[..., list[tuple[Any, ...]]],
    staged: str,
    number: int,
    texts: pa.Table,
    types: Mapping[str, str],
) -> None:
    """Replace the temporary table `staged` by one with these texts.

    Args:
        execute: Runs a statement, with a file for PUT.
        staged: Name of the table and of the stage.
        number: Part of the file's name, which must be unique in the session.
        texts: Rows from `own_texts`.
        types: SQL types of the columns.
    """
    columns = ", ".join(f"{name} {type_}" for name, type_ in types.items())
    execute(f"CREATE OR REPLACE TEMPORARY TABLE {staged} ({columns})")
    name = f"{number}.parquet"
    with io.BytesIO() as file:
        parquet.write_table(texts, file, compression="zstd")
        file.seek(0)
        # overwriting skips the search for an older file
        options = "AUTO_COMPRESS = FALSE OVERWRITE = TRUE"
        execute(f"PUT 'file://{name}' @{staged} {options}", file)
    values = ", ".join(f"$1:{own}::VARCHAR" for own in texts.column_names)
    copied = execute(
        f"COPY INTO {staged} ({', '.join(texts.column_names)}) "
        f"FROM (SELECT {values} FROM @{staged}/{name}) "
        "FILE_FORMAT = (TYPE = PARQUET NULL_IF = ()) ON_ERROR = ABORT_STATEMENT PURGE = TRUE"
    )
    # the result of a single file has a message in the column
    arrived = sum(int(row[3]) for row in copied if row[1:])
    if arrived != len(texts):
        raise WarehouseError(f"of {len(texts)} rows only {arrived} came from the stage")
