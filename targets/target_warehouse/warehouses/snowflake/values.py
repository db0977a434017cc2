"""Values as texts that Snowflake reads exactly."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from target_warehouse.columns import ColumnType

_DIGITS = 38
# A number in JSON, not in a text of it, that a VARIANT may not keep: it takes 38 digits, and for
# one with an exponent a double.
# https://docs.snowflake.com/en/sql-reference/functions/parse_json
_RISKY_NUMBER = r"(^|[\[:,\s])-?([0-9.]{38,}|[0-9.]{16,}[eE]|[0-9.]+[eE][-+]?[0-9]{3})"


def as_texts(values: pa.ChunkedArray, kind: ColumnType) -> pa.ChunkedArray:
    """Write values as Snowflake reads them."""
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
    """Rewrite the texts, likely few, in which the pattern is found."""
    found = pc.match_substring_regex(values, pattern)
    if not pc.any(found).as_py():
        return values
    whole, mask = values.combine_chunks(), pc.fill_null(found.combine_chunks(), False)
    return pc.replace_with_mask(whole, mask, pa.array(map(rewrite, whole.filter(mask).to_pylist())))


def _as_variant(text: str) -> str:
    """Return JSON as it is, or as a JSON string if a number in it would be rounded."""
    try:
        json.loads(text, parse_float=_check, parse_int=_check)
    except (ValueError, RecursionError):
        return json.dumps(text, ensure_ascii=False)
    return text


def _check(number: str) -> None:
    """ValueError if it is not a number that a VARIANT keeps as it is."""
    value = Decimal(number)
    if "e" in number.lower():
        exact = Decimal(repr(float(number))) == value
    else:
        _, digits, exponent = value.as_tuple()
        exact = len(digits) <= _DIGITS and -int(exponent) < _DIGITS
    if not exact:
        raise ValueError(number)
