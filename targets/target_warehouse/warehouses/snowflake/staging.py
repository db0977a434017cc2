"""Uploads rows to a session's stage as texts, which Snowflake reads without rounding."""

# ruff: noqa: S608 - all names are made here

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from target_warehouse.columns import Columns, ColumnType
from target_warehouse.warehouses.errors import WarehouseError
from target_warehouse.warehouses.snowflake.types import DIGITS

# A JSON number that a VARIANT may not keep: it holds 38 digits, and a double for a number with an
# exponent. https://docs.snowflake.com/en/sql-reference/functions/parse_json
_RISKY_NUMBER = r"(^|[\[:,\s])-?([0-9.]{38,}|[0-9.]{16,}[eE]|[0-9.]+[eE][-+]?[0-9]{3})"


def own_texts(rows: pa.Table, columns: Columns) -> pa.Table:
    """Return rows as texts, in columns whose names need no quotes."""
    texts = (as_texts(rows[name], column.kind) for name, column in columns.items())
    return pa.table({f"C{index}": each for index, each in enumerate(texts)})


def upload(
    execute: Callable[..., list[tuple[Any, ...]]],
    staged: str,
    number: int,
    texts: pa.Table,
    types: Mapping[str, str],
) -> None:
    """Replace the temporary table `staged`, through a stage of that name, by one with these texts.

    `number` is a part of the file's name, which must be unique in the session. `texts` are from
    `own_texts`; `types` are the SQL types of the columns.
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


def as_texts(values: pa.ChunkedArray, kind: ColumnType) -> pa.ChunkedArray:
    """Return values as texts that Snowflake can read."""
    match kind:
        case ColumnType.TIMESTAMP:
            in_utc = values.cast(pa.timestamp("us")).cast(pa.string())
            return pc.binary_join_element_wise(in_utc, "+00:00", "")
        case ColumnType.NUMBER:
            return _rewritten(values, "[eE]", lambda number: format(Decimal(number), "f"))
        case ColumnType.JSON:
            return _rewritten(values, _RISKY_NUMBER, _as_variant)
        case _:
            return values.cast(pa.string())


def _rewritten(
    values: pa.ChunkedArray, pattern: str, rewrite: Callable[[str], str]
) -> pa.ChunkedArray:
    """Rewrite the texts, probably few, that match the pattern."""
    found = pc.match_substring_regex(values, pattern)
    if not pc.any(found).as_py():
        return values
    whole, mask = values.combine_chunks(), pc.fill_null(found.combine_chunks(), False)
    return pc.replace_with_mask(whole, mask, pa.array(map(rewrite, whole.filter(mask).to_pylist())))


def _as_variant(text: str) -> str:
    """Return JSON unchanged, or as a JSON string if a VARIANT would round one of its numbers."""
    try:
        json.loads(text, parse_float=_check, parse_int=_check)
    except (ValueError, RecursionError):
        return json.dumps(text, ensure_ascii=False)
    return text


def _check(number: str) -> None:
    """Raise ValueError if a VARIANT would round this number."""
    value = Decimal(number)
    if "e" in number.lower():
        exact = Decimal(repr(float(number))) == value
    else:
        _, digits, exponent = value.as_tuple()
        exact = len(digits) <= DIGITS and -int(exponent) < DIGITS
    if not exact:
        raise ValueError(number)
