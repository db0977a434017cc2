"""Types of PostgreSQL, and which of them hold every value of a kind."""

from __future__ import annotations

import re

from target_warehouse.columns import Column, ColumnType

TYPES = {
    ColumnType.BOOLEAN: "boolean",
    ColumnType.INTEGER: "bigint",
    ColumnType.NUMBER: "numeric",
    ColumnType.DATE: "date",
    ColumnType.TIMESTAMP: "timestamp with time zone",
    ColumnType.TIME: "time without time zone",
    ColumnType.TEXT: "text",
    # jsonb loses the order of keys and repeated keys, and refuses NUL and very large numbers.
    ColumnType.JSON: "json",
}
_WHOLE = {type_: kind for kind, type_ in TYPES.items()} | {
    "timestamp(6) with time zone": ColumnType.TIMESTAMP,
    "time(6) without time zone": ColumnType.TIME,
    "time with time zone": ColumnType.TIME,
    "time(6) with time zone": ColumnType.TIME,
    "jsonb": ColumnType.JSON,
    "character varying": ColumnType.TEXT,
    "uuid": ColumnType.TEXT,  # refuses other texts
}
"""Types that hold every value of a kind. All other types are narrow: their columns are widened."""
_NARROW = {
    **dict.fromkeys(("smallint", "integer", "oid"), ColumnType.INTEGER),
    **dict.fromkeys(("real", "double precision", "numeric", "money"), ColumnType.NUMBER),
    "timestamp without time zone": ColumnType.TIMESTAMP,
    "timestamp with time zone": ColumnType.TIMESTAMP,
    "time without time zone": ColumnType.TIME,
    "time with time zone": ColumnType.TIME,
}
"""The kinds of narrow types, by their names without lengths; other types become text."""
_FLOATS = ("real", "double precision")
COLLATED = " with a collation"
"""End of the name of a type whose collation treats different texts as equal."""
ENUM = "enum "
"""Prefix of the name of an enumerated type, which refuses texts that it does not list."""


def column_of(type_: str) -> Column:
    """Return the column that has this type, as `format_type` writes it."""
    if type_.startswith(ENUM):
        return Column(ColumnType.TEXT, type=type_)
    if type_.endswith("[]"):
        return Column(ColumnType.JSON, type=type_, is_narrow=True)
    base = re.sub(r"\(.*?\)", "", type_)
    kind = _WHOLE.get(type_) or _NARROW.get(base, ColumnType.TEXT)
    return Column(kind, type=type_, is_narrow=type_ not in _WHOLE)


def refuses_what_it_cannot_hold(held: Column, wanted: Column) -> bool:
    """Return whether a narrow column refuses the values of a wider kind that it cannot hold.

    Other narrow types round, cut or shift some of them.
    """
    if held.type in ("smallint", "integer", "bigint"):
        return wanted.kind in (ColumnType.INTEGER, ColumnType.NUMBER)
    return held.type == "timestamp without time zone" and wanted.kind is ColumnType.TIMESTAMP


def cast(name: str, held: Column, column: Column) -> str:
    """Return the SQL that converts the values of a column with this quoted name."""
    if column.kind is ColumnType.JSON:
        return f"to_json({name})"
    if held.type in _FLOATS:  # a cast would round the value to 15 digits
        name = f"{name}::text"
    if held.kind is ColumnType.NUMBER and column.kind is ColumnType.TEXT:
        # as a key, 7.0 is 7, and the text of money would have a currency
        name = f"trim_scale({name}::numeric)"
    if held.type == "inet":  # a cast would add the length of the network
        name = f"abbrev({name})"
    return f"{name}::{TYPES[column.kind]}"
