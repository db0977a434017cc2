"""Columns as dlt describes them, and conversion of rows to their types."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa

from target_warehouse.arrow import ARROW_TYPES, retyped
from target_warehouse.columns import Column, Columns, ColumnType

DIGITS = 38
TYPES = {
    ColumnType.BOOLEAN: "bool",
    ColumnType.INTEGER: "bigint",
    ColumnType.NUMBER: "decimal",
    ColumnType.DATE: "date",
    ColumnType.TIMESTAMP: "timestamp",
    # Some warehouses have no type for times. JSON differs: some encode it once more.
    ColumnType.TIME: "text",
    ColumnType.TEXT: "text",
    ColumnType.JSON: "text",
}
_WHOLE = {type_: kind for kind, type_ in TYPES.items()} | {
    "json": ColumnType.JSON,
    "text": ColumnType.TEXT,
    "time": ColumnType.TIME,
}
"""Kinds of columns of other programs, which have no stored description, by type."""
_NARROW = {"double": ColumnType.NUMBER, "wei": ColumnType.NUMBER}
"""Kinds of types that round or refuse some values; all other types become text."""
_PRECISIONS = {"bigint": 64, "decimal": DIGITS, "timestamp": 6, "time": 6}
"""Minimum precisions of types that have a precision, if they are known."""
_KIND = "x-kind"
_TEXTS = re.compile("char|text|string|clob", re.IGNORECASE)
"""Words in the names of types that hold text."""
_SHORT = "short "
"""Prefix of the type of a column whose precision is too small."""


def column(
    stored: Mapping[str, Any], described: Mapping[str, Any], own_type: str | None = None
) -> Column:
    """Return a column from its description or, if it has none, from its type.

    `own_type` is the destination's name of the type.
    """
    type_ = stored["data_type"]
    kind = _WHOLE.get(type_) or _NARROW.get(type_, ColumnType.TEXT)
    kind = ColumnType(described.get(_KIND, kind))
    if (stored.get("precision") or sys.maxsize) < _PRECISIONS.get(type_, 0):
        type_ = f"{_SHORT}{type_}"
    if type_ == "text" and own_type and not described and not _TEXTS.search(own_type):
        type_ = own_type
    scale = described.get("scale") or (stored.get("scale") if kind is ColumnType.NUMBER else None)
    return Column(kind, scale or 0, type_, is_narrow=type_ not in _WHOLE)


def description(name: str, column: Column) -> dict[str, Any]:
    """Return a column as dlt describes it, with its kind, which the type does not determine."""
    digits = (
        {"precision": DIGITS, "scale": column.scale} if column.kind is ColumnType.NUMBER else {}
    )
    type_ = TYPES[column.kind]
    return {"name": name, "data_type": type_, "nullable": True, _KIND: str(column.kind), **digits}


_KINDS_OF_VALUES = {
    bool: ColumnType.BOOLEAN,
    int: ColumnType.INTEGER,
    Decimal: ColumnType.NUMBER,
    datetime: ColumnType.TIMESTAMP,
    date: ColumnType.DATE,
    time: ColumnType.TIME,
    str: ColumnType.TEXT,
}


def of_value(value: object) -> Column:
    """Return the column that holds a Python value."""
    scale = -int(value.as_tuple().exponent) if isinstance(value, Decimal) else 0
    return Column(_KINDS_OF_VALUES[type(value)], max(scale, 0))


def arrow_value(value: object) -> pa.Array:
    """Return a Python value as the loader represents it."""
    kind = _KINDS_OF_VALUES[type(value)]
    return pa.array([str(value) if kind is ColumnType.NUMBER else value], ARROW_TYPES[kind])


def typed(rows: pa.Table, columns: Columns) -> pa.Table:
    """Return rows in the types of their columns."""
    types = {
        name: pa.decimal128(DIGITS, column.scale)
        if column.kind is ColumnType.NUMBER
        else pa.string()
        for name, column in columns.items()
        if column.kind in (ColumnType.NUMBER, ColumnType.TIME)
    }
    return retyped(rows, types)


def wider(held: Column, wanted: Column, *, empty: bool) -> list[Column]:
    """Return the columns that a column may become, the best one first."""
    text = Column(ColumnType.TEXT)
    if held.type == "double" and not empty:
        return [text]  # a decimal would round its values
    if wanted.kind is ColumnType.NUMBER:
        return [wanted, text]  # more digits after the point leave fewer before it
    if held.kind is ColumnType.DATE and not empty:
        return [text]  # dates would become midnights in the session's time zone
    return [wanted]
