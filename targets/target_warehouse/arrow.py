"""Joins, converts and measures Arrow tables whose columns have the types of `ColumnType`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import groupby

import pyarrow as pa
import pyarrow.compute as pc

from target_warehouse.columns import ColumnType

INSTANT = pa.timestamp("us", "UTC")
ARROW_TYPES: Mapping[ColumnType, pa.DataType] = {
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.INTEGER: pa.int64(),
    ColumnType.NUMBER: pa.string(),  # the digits as sent
    ColumnType.DATE: pa.date32(),
    ColumnType.TIMESTAMP: INSTANT,
    ColumnType.TIME: pa.time64("us"),
    ColumnType.TEXT: pa.string(),
    ColumnType.JSON: pa.string(),
}
_WRITTEN_OUT = r"^-?[0-9.]+$"
_LONGEST_WRITTEN_OUT = 1_000
"""Numbers with more digits than this keep their exponent."""


def joined(tables: Iterable[pa.Table], kinds: Mapping[str, ColumnType]) -> pa.Table:
    """Concatenate tables into one with a column of each of `kinds`, as wide as the widest."""
    alike = [pa.concat_tables(group) for _, group in groupby(tables, lambda table: table.schema)]
    parts = [conformed(part, kinds) for part in alike]
    return pa.concat_tables(parts, promote_options="default")  # columns may differ in order


def conformed(table: pa.Table, kinds: Mapping[str, ColumnType]) -> pa.Table:
    """Return the table with a column of each of `kinds`; missing columns are null."""
    # Adding columns one by one copies the table each time: thousands of them take minutes.
    columns = dict(zip(table.column_names, table.columns, strict=True))
    for name, kind in kinds.items():
        wanted, column = ARROW_TYPES[kind], columns.get(name)
        if column is None:
            columns[name] = pa.nulls(len(table), wanted)
            continue
        if column.type == pa.date32() and kind is ColumnType.TIMESTAMP:
            column = column.cast(pa.timestamp("us"))
        columns[name] = column.cast(wanted)
    return pa.table(columns) if columns else table


def retyped(table: pa.Table, types: Mapping[str, pa.DataType]) -> pa.Table:
    """Return the table with other types for some of its columns."""
    fields = [field.with_type(types.get(field.name, field.type)) for field in table.schema]
    return table.cast(pa.schema(fields))


def uniform_uuids(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return texts with each UUID as databases write it; other texts stay."""
    digits = pc.utf8_lower(pc.replace_substring_regex(values, "[{}-]", ""))
    pattern = "^([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})$"
    uuids = pc.replace_substring_regex(digits, pattern, r"\1-\2-\3-\4-\5")
    return pc.if_else(pc.match_substring_regex(digits, pattern), uuids, values)


def uniform_numbers(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return numbers, given as texts, so that equal ones have the same text: 2.50 becomes 2.5."""
    texts = [None if value is None else _uniform(value) for value in values.to_pylist()]
    return pa.chunked_array([texts], pa.string())


def _uniform(number: str) -> str:
    value = Decimal(number)
    if not value.is_finite() or abs(value.adjusted()) > _LONGEST_WRITTEN_OUT:
        return str(value)
    text = format(value, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if value.is_zero() else text


def are_held(numbers: pa.ChunkedArray, digits: int, scale: int) -> bool:
    """Return whether decimals of `digits`, `scale` of them after the point, hold the numbers."""
    # The cast wraps numbers of more than 38 digits around, and crashes at some exponents.
    longest = pc.max(pc.binary_length(numbers)).as_py() or 0
    if longest <= digits and pc.all(_written_out(numbers), min_count=0).as_py():
        try:
            numbers.cast(pa.decimal128(digits, scale))
        except pa.ArrowInvalid:
            return False
        return True
    whole, fraction = decimal_size(numbers)
    return whole + scale <= digits and fraction <= scale


def decimal_size(numbers: pa.ChunkedArray) -> tuple[int, int]:
    """Return how many digits before and after the point these numbers need, as sent."""
    written_out = _written_out(numbers)
    plain = pc.utf8_ltrim(numbers.filter(written_out), "-")
    point = pc.find_substring(plain, ".")
    length = pc.binary_length(plain)
    whole = pc.if_else(pc.less(point, 0), length, point)
    fraction = pc.if_else(pc.less(point, 0), 0, pc.subtract(length, pc.add(point, 1)))
    sizes = [(pc.max(whole).as_py() or 0, pc.max(fraction).as_py() or 0)]
    sizes += map(_size, numbers.filter(pc.invert(written_out)).to_pylist())
    return max(whole for whole, _ in sizes), max(fraction for _, fraction in sizes)


def _written_out(numbers: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return which numbers are finite and have no exponent."""
    return pc.match_substring_regex(numbers, _WRITTEN_OUT)


def _size(number: str) -> tuple[int, int]:
    """Return the size of a number with an exponent; decimals cannot hold NaN and infinity."""
    value = Decimal(number)
    if not value.is_finite():
        return sys.maxsize, 0
    exponent = int(value.as_tuple().exponent)
    return max(value.adjusted() + 1, 1), max(-exponent, 0)
