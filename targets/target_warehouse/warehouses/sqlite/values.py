"""What SQLite makes of a value, and how each kind is put so that it comes out as it went in.

SQLite takes any name for a type and goes by the words in it (sqlite.org/datatype3.html): a column
turns what it is given into an integer, a double or a text if that can be done, or, when it is
"numeric", whatever looks like a number into one.
"""

from __future__ import annotations

import json
import re
import sys
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from target_warehouse.columns import Column, ColumnType
from target_warehouse.exact import INT64

TYPES = {
    ColumnType.BOOLEAN: "BOOLEAN",
    ColumnType.INTEGER: "INTEGER",
    # Numeric: as texts, 9 would come after 10 and be more than 5 only by chance. A column that is
    # to hold a number which neither an integer nor a double shows to the digit becomes text.
    ColumnType.NUMBER: "NUMERIC",
    # Texts of one width, which sort in time. Numeric too, but nothing in them looks like a number.
    ColumnType.DATE: "DATE",
    ColumnType.TIMESTAMP: "TIMESTAMP",
    ColumnType.TIME: "TIME",
    ColumnType.TEXT: "TEXT",
    ColumnType.JSON: "JSON TEXT",  # JSON alone would be numeric: 1.10 would become 1.1
}
_KINDS = {type_: kind for kind, type_ in TYPES.items()} | {
    "BOOL": ColumnType.BOOLEAN,
    "DATETIME": ColumnType.TIMESTAMP,
    "JSON": ColumnType.JSON,
}
_MODIFIERS = re.compile(r"\(.*?\)| WITH(OUT)? TIME ZONE")
_AFFINITIES = {
    # the first that has a word in the type's name counts
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
_SHORT = r"^-?[0-9.]{1,16}$"  # 15 digits and a point, which a double shows, or 16 of an integer
_UTC = "+00:00"


def affinity(type_: str) -> str:
    """Return what SQLite makes of the values in a column of this type."""
    if not type_:
        return "BLOB"
    names = (name for name, words in _AFFINITIES.items() if any(w in type_.upper() for w in words))
    return next(names, "NUMERIC")


def column_of(type_: str) -> Column:
    """Return the column that has this type, be it ours or of a table that others made."""
    name = _MODIFIERS.sub("", type_.upper()).strip()
    kind = _KINDS.get(name) or _KINDS_OF_AFFINITIES.get(affinity(type_), ColumnType.NUMBER)
    return Column(kind, type=type_)


def are_exact(numbers: pa.ChunkedArray) -> bool:
    """Tell whether SQLite shows each of these numbers, sent as texts, to the digit."""
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
    # A double of this size has no fraction, so SQLite may make it an integer, and not the one sent.
    return int(Decimal(text)) if 2**53 <= abs(double) < 2**63 else double


def converted(column: pa.Array, kind: ColumnType) -> list[Any]:
    """Return the values of a column of this kind as SQLite takes them."""
    match kind:
        case ColumnType.NUMBER:
            return [None if text is None else _number(text) for text in column.to_pylist()]
        case ColumnType.TIMESTAMP:
            # With a space, as SQLite's own functions and Python write it, so that it compares.
            text = column.cast(pa.timestamp("us")).cast(pa.string())
            column = pc.binary_join_element_wise(text, _UTC, "")
        case ColumnType.DATE | ColumnType.TIME:
            column = column.cast(pa.string())
    values: list[Any] = column.to_pylist()
    return values


def widened(value: Any, held: str, wanted: str) -> Any:
    """Return a value that is in a column of the kind `held` as one of the kind `wanted` has it."""
    if value is None or isinstance(value, bytes):
        return value
    if (held, wanted) == (ColumnType.DATE, ColumnType.TIMESTAMP):
        return f"{value} 00:00:00.000000{_UTC}"
    if wanted not in (ColumnType.TEXT, ColumnType.JSON):
        return value
    if held == ColumnType.BOOLEAN:
        return "true" if value else "false"
    if wanted == ColumnType.JSON != held and isinstance(value, str):
        return json.dumps(value)
    return str(value)
