"""Types of DuckDB, and which of them hold every value of a kind."""

from __future__ import annotations

import re

from target_warehouse.columns import Column, ColumnType

DIGITS = 38
TYPES = {
    ColumnType.BOOLEAN: "BOOLEAN",
    ColumnType.INTEGER: "BIGINT",
    ColumnType.NUMBER: "DECIMAL(38,{scale})",
    ColumnType.DATE: "DATE",
    ColumnType.TIMESTAMP: "TIMESTAMP WITH TIME ZONE",
    ColumnType.TIME: "TIME",
    ColumnType.TEXT: "VARCHAR",
    ColumnType.JSON: "JSON",
}
_WHOLE = {type_: kind for kind, type_ in TYPES.items()} | {
    "HUGEINT": ColumnType.INTEGER,
    "BIGNUM": ColumnType.INTEGER,
    "TIME WITH TIME ZONE": ColumnType.TIME,
    "UUID": ColumnType.TEXT,  # UUID columns refuse other texts
}
"""Types that hold every value of a kind. All other types are narrow: their columns are widened."""
FLOATS = ("FLOAT", "DOUBLE")
LONG_UNSIGNED = ("UBIGINT", "UHUGEINT")
NANOSECONDS = "TIMESTAMP_NS"
_NARROW = {
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER"), ColumnType.INTEGER),
    **dict.fromkeys(("UTINYINT", "USMALLINT", "UINTEGER"), ColumnType.INTEGER),
    **dict.fromkeys(LONG_UNSIGNED, ColumnType.INTEGER),
    **dict.fromkeys(FLOATS, ColumnType.NUMBER),
    **dict.fromkeys(
        ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", NANOSECONDS), ColumnType.TIMESTAMP
    ),
    "VARIANT": ColumnType.JSON,
}
"""The kinds of narrow types without brackets; other types become text."""
_NESTED = ("STRUCT(", "MAP(", "UNION(")
_ENUM = "ENUM("
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")


def column_of(type_: str) -> Column:
    """Return the column that has this type."""
    if decimal := _DECIMAL.fullmatch(type_):
        digits, scale = map(int, decimal.groups())
        return Column(ColumnType.NUMBER, scale, type_, is_narrow=digits < DIGITS)
    if type_.endswith("]") or type_.startswith(_NESTED):
        return Column(ColumnType.JSON, type=type_, is_narrow=True)
    is_narrow = type_ not in _WHOLE and not type_.startswith(_ENUM)
    kind = _WHOLE.get(type_) or _NARROW.get(type_, ColumnType.TEXT)
    return Column(kind, type=type_, is_narrow=is_narrow)
