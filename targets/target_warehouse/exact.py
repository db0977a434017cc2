"""The slow, exact path: one value at a time, for what typed decoding does not take."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

import msgspec

from attribution_elt.core.text import storable
from target_warehouse.columns import ColumnType, kind_of_value

INT64 = range(-(2**63), 2**63)
_INT_DIGITS = 4000  # fewer than Python refuses to convert
_NO_JSON = {"NaN", "Infinity", "-Infinity"}
_RECORD_KEY = re.compile(r'"record"\s*:\s*')
_T = TypeVar("_T")


class Record(msgspec.Struct, gc=False):
    """A RECORD message whose values are still as they were sent."""

    record: dict[str, msgspec.Raw]
    time_extracted: str | None = None
    version: int | None = None


class TooNarrow(Exception):  # noqa: N818 - it leads to a wider column, not to a failure
    """A value is right, but needs a column of another kind."""

    def __init__(self, kind: ColumnType) -> None:
        super().__init__(kind)
        self.kind = kind


class _RawRecord(msgspec.Struct):
    record: msgspec.Raw


_decoder = msgspec.json.Decoder(Record)
_raw_decoder = msgspec.json.Decoder(_RawRecord)
_encoder = msgspec.json.Encoder(decimal_format="number")


def parse_record(line: bytes) -> tuple[Record, bool]:
    """Parse a RECORD line, and say whether characters had to be replaced for that.

    ValueError if it is not JSON, even by Python's lenient reading.
    """
    damaged = False
    try:
        return _decoder.decode(line), damaged
    except UnicodeDecodeError:
        damaged = True
    except msgspec.DecodeError:  # NaN, infinity, lone surrogates
        damaged = b"\\ud" in line.lower()
    message = parse_leniently(line)
    record = {name: msgspec.Raw(to_json(value)) for name, value in message["record"].items()}
    version = message.get("version")
    return Record(
        record, message.get("time_extracted"), version if isinstance(version, int) else None
    ), damaged


def has_nul(raw: bytes) -> bool:
    """Tell whether a JSON value is a string with a NUL in it."""
    return b"\\u0000" in raw and "\0" in parse_leniently(raw)


def raw_record(line: bytes) -> str:
    """Return the record of a RECORD line as it was sent."""
    try:
        return bytes(_raw_decoder.decode(line).record).decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        text = line.decode(errors="replace")
    start = _RECORD_KEY.search(text)
    if start is None:
        return text
    try:
        _, end = json.JSONDecoder().raw_decode(text, start.end())
    except RecursionError:
        return text[start.end() :]
    return text[start.end() : end]


def parse_leniently(text: bytes) -> Any:
    """Parse what Python takes for JSON, numbers exactly; ValueError if it is none."""
    return json.loads(
        text.decode(errors="replace"),
        parse_float=Decimal,
        parse_int=_integer_of_any_size,
        parse_constant=Decimal,
    )


def _integer_of_any_size(digits: str) -> int | Decimal:
    return int(digits) if len(digits) <= _INT_DIGITS else Decimal(digits)


def to_json(value: Any) -> bytes:
    """Write a value as JSON. What JSON cannot hold, a lone surrogate or a NaN, is replaced."""
    return _encoder.encode(_storable(value, nested=False))


def _storable(value: Any, *, nested: bool = True) -> Any:
    match value:
        case str():
            return storable(value)
        case Decimal() if not value.is_finite():
            return str(value) if nested else msgspec.Raw(str(value).encode())
        case dict():
            return {storable(name): _storable(item) for name, item in value.items()}
        case list():
            return [_storable(item) for item in value]
        case _:
            return value


def convert(kind: ColumnType, raw: bytes) -> Any:
    """Convert one JSON value to what Arrow takes for a column of `kind`.

    TooNarrow names the kind that would hold it; ValueError says why none of its sort does.
    """
    if raw == b"null":
        return None
    if kind is ColumnType.JSON:
        text = raw.decode()
        return f'"{text}"' if text in _NO_JSON else text
    value = parse_leniently(raw)
    if kind is ColumnType.TEXT:
        return storable(value) if isinstance(value, str) else raw.decode()
    return _CONVERTERS[kind](value)


def kind_of_raw(raw: bytes) -> ColumnType:
    """Return the kind of a JSON value of which no schema tells."""
    return kind_of_value(parse_leniently(raw))


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError(f"{_shown(value)} is not a boolean")


def _integer(value: Any) -> int:
    number = _decimal(value)
    if not number.is_finite() or number != number.to_integral_value():
        raise TooNarrow(ColumnType.NUMBER)
    # A number such as 1e999999 is not to be written out.
    if number.adjusted() > len(str(INT64.stop)) or int(number) not in INT64:
        raise TooNarrow(ColumnType.NUMBER)
    return int(number)


def _number(value: Any) -> str:
    return str(_decimal(value))


def _decimal(value: Any) -> Decimal:
    if isinstance(value, int | str | Decimal) and not isinstance(value, bool):
        try:
            return Decimal(value)
        except InvalidOperation:
            pass
    raise ValueError(f"{_shown(value)} is not a number")


def _timestamp(value: Any) -> datetime:
    instant = _parsed(datetime.fromisoformat, value, "date-time")
    return _in_utc(instant)


def _date(value: Any) -> date:
    instant = _parsed(datetime.fromisoformat, value, "date")
    if instant.timetz() == time(tzinfo=instant.tzinfo) and not instant.utcoffset():
        return instant.date()
    raise TooNarrow(ColumnType.TIMESTAMP)


def _time(value: Any) -> time:
    moment = _parsed(time.fromisoformat, value, "time")
    if moment.tzinfo is None:
        return moment
    return _in_utc(datetime.combine(date(2000, 1, 2), moment)).time()


def _parsed(parse: Callable[[str], _T], value: Any, name: str) -> _T:
    try:
        return parse(value.upper())
    except (AttributeError, ValueError):
        raise ValueError(f"{_shown(value)} is not a {name}") from None


def _in_utc(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        return instant.replace(tzinfo=UTC)
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{instant.isoformat()} is not in the years 1 to 9999") from None


def _shown(value: Any) -> str:
    return to_json(value).decode(errors="replace")[:100]


_CONVERTERS: dict[ColumnType, Callable[[Any], Any]] = {
    ColumnType.BOOLEAN: _boolean,
    ColumnType.INTEGER: _integer,
    ColumnType.NUMBER: _number,
    ColumnType.DATE: _date,
    ColumnType.TIMESTAMP: _timestamp,
    ColumnType.TIME: _time,
}
