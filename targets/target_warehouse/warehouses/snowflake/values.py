"""Writes values as texts that Snowflake reads without rounding."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from target_warehouse.columns import ColumnType

_DIGITS = 38
# A JSON number that a VARIANT may not keep: it holds 38 digits, and a double for a number with an
# exponent. https://docs.snowflake.com/en/sql-reference/functions/parse_json
_RISKY_NUMBER = r"(^|[\[:,\s])-?([0-9.]{38,}|[0-9.]{16,}[eE]|[0-9.]+[eE][-+]?[0-9]{3})"


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
        exact = len(digits) <= _DIGITS and -int(exponent) < _DIGITS
    if not exact:
        raise ValueError(number)
