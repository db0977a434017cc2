"""Conversion of values for SQLite, so that they are read back unchanged.

SQLite accepts any name of a type and derives the affinity from the words in it
(sqlite.org/datatype3.html). A column converts a value to an integer, a double or a text if it can.
A "numeric" column converts every text that looks like a number.
"""

from __future__ import annotations

import json
import re
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from target_warehouse.columns import Column, ColumnType
from target_warehouse.exact import INT64

TYPES = {
    ColumnType.BOOLEAN: "BOOLEAN",
    ColumnType.INTEGER: "INTEGER",
    # Numeric: as texts, 9 would sort after 10. A column becomes text if it is to hold a number that
    # neither an integer nor a double represents exactly.
    ColumnType.NUMBER: "NUMERIC",
    # Texts of one width, which sort by time. The type is numeric too, but no value looks like a
    # number.
    ColumnType.DATE: "DATE",
    ColumnType.TIMESTAMP: "TIMESTAMP",
    ColumnType.TIME: "TIME",
    ColumnType.TEXT: "TEXT",
    ColumnType.JSON: "JSON TEXT",  # JSON alone would be numeric: 1.10 would become 1.1
}
_DATETIME = "DATETIME"
"""Type of other programs, whose texts of moments differ from ours: they are rewritten."""
STRICT = ("INTEGER", "TEXT")
"""Types that a STRICT table can have."""
_KINDS = {type_: kind for kind, type_ in TYPES.items()} | {
    "BOOL": ColumnType.BOOLEAN,
    _DATETIME: ColumnType.TIMESTAMP,
    "JSON": ColumnType.JSON,
    "JSONB": ColumnType.JSON,
}
_MODIFIERS = re.compile(r"\(.*?\)| WITH(OUT)? TIME ZONE")
_AFFINITIES = {
    # the first entry with a word of the type's name counts
    "INTEGER": ("INT",),
    "TEXT": ("CHAR", "CLOB", "TEXT"),
    "BLOB": ("BLOB",),
    "REAL": ("REAL", "FLOA", "DOUB"),
}
_KINDS_OF_AFFINITIES = {
    "INTEGER": ColumnType.INTEGER,
    "TEXT": ColumnType.TEXT,
    "BLOB": ColumnType.TEXT,
}
_SHORT = r"^-?[0-9.]{1,16}$"  # a double keeps 15 digits and a point, or 16 digits
_UTC = "+00:00"


def affinity(type_: str) -> str:
    """Return the affinity of a column of this type: how SQLite converts its values."""
    if not type_:
        return "BLOB"
    names = (name for name, words in _AFFINITIES.items() if any(w in type_.upper() for w in words))
    return next(names, "NUMERIC")


def column_of(type_: str) -> Column:
    """Return the column that has this type, in our tables or in those of other programs."""
    name = _MODIFIERS.sub("", type_.upper()).strip()
    kind = _KINDS.get(name) or _KINDS_OF_AFFINITIES.get(affinity(type_), ColumnType.NUMBER)
    is_narrow = name == _DATETIME or affinity(type_) != affinity(TYPES[kind])
    return Column(kind, type=type_, is_narrow=is_narrow)


def are_exact(numbers: pa.ChunkedArray) -> bool:
    """Return whether SQLite represents each of these numbers, sent as texts, exactly."""
    long = numbers.filter(pc.invert(pc.match_substring_regex(numbers, _SHORT)))
    return all(map(_is_exact, long.to_pylist()))


def _is_exact(text: str) -> bool:
    number = Decimal(text)
    if not number.is_finite() or number.adjusted() > sys.float_info.max_10_exp:
        return False
    held = _number(text)
    return Decimal(str(held)) == number and (isinstance(held, float) or held in INT64)


def _number(text: str) -> int | float:
    if text.removeprefix("-").isdecimal():
        return int(text)
    double = float(text)
    # A double of this size has no fraction, so SQLite may store a different integer.
    return int(Decimal(text)) if 2**53 <= abs(double) < 2**63 else double


def converted(column: pa.Array, kind: ColumnType) -> list[Any]:
    """Return the values of a column of this kind in the form that SQLite stores."""
    match kind:
        case ColumnType.NUMBER:
            return [None if text is None else _number(text) for text in column.to_pylist()]
        case ColumnType.TIMESTAMP:
            # The separator is a space, as in SQLite's functions and Python, so that values compare.
            text = column.cast(pa.timestamp("us")).cast(pa.string())
            column = pc.binary_join_element_wise(text, _UTC, "")
        case ColumnType.DATE | ColumnType.TIME:
            column = column.cast(pa.string())
    values: list[Any] = column.to_pylist()
    return values


def _moment(value: Any) -> Any:
    """Return a moment that another program has stored as we store it, in UTC."""
    try:
        moment = datetime.fromisoformat(value)
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (OverflowError, TypeError, ValueError):  # such as seconds since 1970
        return value
    return moment.isoformat(" ", "microseconds")


def widened(value: Any, held: str, wanted: str) -> Any:
    """Return a value of a column of kind `held` as a column of kind `wanted` stores it."""
    if value is None or isinstance(value, bytes):
        return value
    if wanted == ColumnType.TIMESTAMP:
        return _moment(value)
    if wanted not in (ColumnType.TEXT, ColumnType.JSON):
        return value
    if held == ColumnType.BOOLEAN:
        return "true" if value else "false"
    if wanted == ColumnType.JSON != held and isinstance(value, str):
        return json.dumps(value)
    return str(value)
