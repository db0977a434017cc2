"""Types of Snowflake, and which of them hold every value of a kind."""

from __future__ import annotations

import re
import sys

from target_warehouse.columns import Column, ColumnType

DIGITS = 38
INT64_DIGITS = 19
TYPES = {
    ColumnType.BOOLEAN: "BOOLEAN",
    # NUMBER(38,0) could also be a column of numbers without a fraction so far.
    ColumnType.INTEGER: f"NUMBER({INT64_DIGITS},0)",
    ColumnType.NUMBER: f"NUMBER({DIGITS},{{scale}})",
    ColumnType.DATE: "DATE",
    # Unlike the other two types, it is displayed in UTC in each session.
    ColumnType.TIMESTAMP: "TIMESTAMP_TZ",
    ColumnType.TIME: "TIME",
    ColumnType.TEXT: "VARCHAR",
    # Numbers that it would round are stored as texts: see `values`.
    ColumnType.JSON: "VARIANT",
}
_KINDS = {
    "BOOLEAN": ColumnType.BOOLEAN,
    "NUMBER": ColumnType.NUMBER,
    "DATE": ColumnType.DATE,
    "TIMESTAMP_LTZ": ColumnType.TIMESTAMP,
    "TIMESTAMP_NTZ": ColumnType.TIMESTAMP,
    "TIMESTAMP_TZ": ColumnType.TIMESTAMP,
    "TIME": ColumnType.TIME,
    "VARCHAR": ColumnType.TEXT,
    "VARIANT": ColumnType.JSON,
}
"""The kinds of types that hold every value of their kind if they are large enough."""
FLOATS = ("FLOAT", "DECFLOAT")
_NARROW = {
    **dict.fromkeys(FLOATS, ColumnType.NUMBER),
    "ARRAY": ColumnType.JSON,
    "OBJECT": ColumnType.JSON,
}
"""The kinds of types that round or reshape some values; other types become text."""
SHORT_TEXT, LONG_TEXT = 2**24, 2**27
"""Characters of a VARCHAR without a length, and of the longest VARCHAR; maximum bytes of a text."""
SIZES = {
    "NUMBER": DIGITS,
    "TIME": 6,
    **dict.fromkeys(("TIMESTAMP_LTZ", "TIMESTAMP_NTZ", "TIMESTAMP_TZ"), 6),
    "VARCHAR": SHORT_TEXT,
}
"""The sizes that types must have to hold all values of their kind."""
_TYPE = re.compile(r"(\w+)(?:\((\d+)(?:, ?(\d+))?\))?")


def parts_of(type_: str) -> tuple[str, int, int]:
    """Split a type such as NUMBER(38,2) into its name and the numbers in its brackets.

    Others, such as OBJECT(city VARCHAR), have names of types in their brackets.
    """
    # A collation may treat different texts as equal, so its type is another one.
    found = None if " COLLATE " in type_ else _TYPE.match(type_)
    base, size, scale = found.groups() if found else (type_, None, None)
    return base, int(size or sys.maxsize), int(scale or 0)


def column_of(type_: str) -> Column:
    """Return the column that has this type."""
    base, size, scale = parts_of(type_)
    kind = _KINDS.get(base) or _NARROW.get(base, ColumnType.TEXT)
    if kind is ColumnType.NUMBER and scale == 0 and size <= INT64_DIGITS:
        kind = ColumnType.INTEGER
    needed = INT64_DIGITS if kind is ColumnType.INTEGER else SIZES.get(base, 0)
    return Column(kind, scale, type_, is_narrow=base not in _KINDS or size < needed)


def typed(text: str, column: Column) -> str:
    """Return the SQL that converts a staged text to the type of its column."""
    if column.type.startswith("VARCHAR"):
        return text  # a cast would cut the fraction
    if column.kind is ColumnType.JSON:
        text = f"COALESCE(TRY_PARSE_JSON({text}), TO_VARIANT({text}))"
    return f"CAST({text} AS {column.type})"
