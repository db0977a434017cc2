"""Copies Arrow tables into PostgreSQL."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv
from typing_extensions import Buffer, override

from target_warehouse.warehouses.dialect import listed

_ROWS_AT_ONCE = 5_000
_CSV_SINCE = 180_000
"""First version of the server whose CSV may contain any text: before, a line `\\.` ended it."""
_PIECE = 8 << 20  # bytes
_CSV = csv.WriteOptions(include_header=False)
_ESCAPES = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(?P<nul>\\u0000)|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.",
    re.DOTALL,
)
"""Escapes in JSON: whole surrogate pairs, NUL, halves of pairs, and others."""


def copy(connection: psycopg.Connection, path: str, rows: pa.Table) -> int:
    """Copy rows into the columns of the same names; return how many the table has stored."""
    statement = f"COPY {path} ({listed(rows.column_names)}) FROM STDIN"
    # The session is in UTC, and Arrow writes instants much faster without their zone.
    naive = [
        pa.field(field.name, pa.timestamp("us")) if pa.types.is_timestamp(field.type) else field
        for field in rows.schema
    ]
    parts = rows.cast(pa.schema(naive)).to_batches(_ROWS_AT_ONCE)
    with connection.cursor() as cursor:
        if connection.info.server_version < _CSV_SINCE and _ends_copy(rows):
            _copy_rows(cursor, statement, parts)
            return cursor.rowcount
        with cursor.copy(f"{statement} (FORMAT csv)".encode()) as stream:
            sink = pa.PythonFile(_Sink(stream), mode="w")
            for part in parts:
                csv.write_csv(part, sink, _CSV)
        return cursor.rowcount


class _Sink(io.RawIOBase):
    """A file that copies what is written to it, in pieces: the driver makes a copy of each."""

    def __init__(self, stream: psycopg.Copy) -> None:
        self._stream = stream

    @override
    def writable(self) -> bool:
        return True

    @override
    def write(self, data: Buffer, /) -> int:
        view = memoryview(data)
        for start in range(0, len(view), _PIECE):
            self._stream.write(view[start : start + _PIECE])
        return len(view)


def copy_by_line(connection: psycopg.Connection, path: str, rows: pa.Table) -> None:
    """Copy rows as text in which each row is a line, so that the line of an error is its row."""
    with connection.cursor() as cursor:
        statement = f"COPY {path} ({listed(rows.column_names)}) FROM STDIN"
        _copy_rows(cursor, statement, rows.to_batches())


def _copy_rows(
    cursor: psycopg.Cursor[Any], statement: str, parts: Sequence[pa.RecordBatch]
) -> None:
    with cursor.copy(statement.encode()) as stream:
        for row in _rows(parts):
            stream.write_row(row)


def for_jsonb(rows: pa.Table, names: Sequence[str]) -> tuple[pa.Table, list[str]]:
    """Return rows without NUL and lone surrogates in these columns, and the columns that had some.

    Unlike json, jsonb refuses both.
    """
    repaired = []
    for name in names:
        values = rows[name]
        found = pc.match_substring_regex(values, r"\\u(0000|[dD][89a-fA-F])")
        if not pc.any(found).as_py():
            continue
        texts = [None if text is None else _storable(text) for text in values.to_pylist()]
        clean = pa.chunked_array([pa.array(texts, pa.string())])
        if not clean.equals(values):
            repaired.append(name)
            rows = rows.set_column(rows.column_names.index(name), name, clean)
    return rows, repaired


def _storable(text: str) -> str:
    def replaced(found: re.Match[str]) -> str:
        return "" if found["nul"] else "\\ufffd" if found["half"] else found[0]

    return _ESCAPES.sub(replaced, text)


def _rows(parts: Sequence[pa.RecordBatch]) -> Iterator[tuple[str | None, ...]]:
    for part in parts:
        columns = [column.cast(pa.string()).to_pylist() for column in part.columns]
        yield from zip(*columns, strict=True)


def _ends_copy(rows: pa.Table) -> bool:
    """Return whether a text has a line that old servers read as the end of a CSV."""
    return any(
        pc.any(pc.match_substring(column, "\n\\.")).as_py()
        for column in rows.columns
        if pa.types.is_string(column.type)
    )
