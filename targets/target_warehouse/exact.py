"""The slow path of decoding: one value at a time, for values that typed decoding refuses."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

import msgspec

from attribution_elt.core.text import storable
from target_warehouse.columns import ColumnType, kind_of_value

INT64 = range(-(2**63), 2**63)
_INT_DIGITS = 4000  # below the limit at which Python refuses to convert
_NO_JSON = {"NaN", "Infinity", "-Infinity"}
_SHORT_HOUR = re.compile(r"[0-9](?=:[0-9]{2})")
_RECORD_KEY = re.compile(r'"record"\s*:\s*')
_T = TypeVar("_T")


class Record(msgspec.Struct, gc=False):
    """A RECORD message; its values are raw JSON, as sent."""

    record: dict[str, msgspec.Raw]
    time_extracted: Any = None
    version: int | None = None


class TooNarrow(Exception):  # noqa: N818 - it leads to a wider column, not to a failure
    """A value is valid, but needs a column of another kind."""

    def __init__(self, kind: ColumnType) -> None:
        super().__init__(kind)
        self.kind = kind


class _RawRecord(msgspec.Struct):
    record: msgspec.Raw


_decoder = msgspec.json.Decoder(Record)
_raw_decoder = msgspec.json.Decoder(_RawRecord)
_encoder = msgspec.json.Encoder(decimal_format="number")


def parse_record(line: bytes) -> tuple[Record, bool]:
    """Parse a RECORD line; also return whether characters had to be replaced.

    Raises:
        ValueError: the line is not JSON, even as Python reads it, or two names become equal.
        TypeError: the record is not an object.
        RecursionError: the line is nested too deeply.
    """
    try:
        message = _decoder.decode(line)
    except UnicodeDecodeError:
        damaged = True
    except msgspec.DecodeError:  # NaN, infinity or lone surrogates
        damaged = b"\\ud" in line.lower()
    else:
        _check_version(message.version)
        damaged = b"\\u0000" in line and any("\0" in name for name in message.record)
        if damaged:
            message.record = _named(message.record)
        return message, damaged
    parsed = parse_leniently(line)
    sent = parsed.get("record") if isinstance(parsed, dict) else None
    if not isinstance(sent, dict):
        raise TypeError("its record is not an object")
    record = _named({name: msgspec.Raw(to_json(value)) for name, value in sent.items()})
    version = parsed.get("version")
    _check_version(version)
    return Record(
        record, parsed.get("time_extracted"), version if isinstance(version, int) else None
    ), damaged


def has_nul(raw: bytes) -> bool:
    """Return whether a JSON value is a string that contains NUL."""
    return b"\\u0000" in raw and "\0" in parse_leniently(raw)


def _check_version(version: Any) -> None:
    if isinstance(version, int) and version not in INT64:
        raise ValueError("its version has more than 64 bits")


def _named(record: dict[str, msgspec.Raw]) -> dict[str, msgspec.Raw]:
    named = {storable(name): value for name, value in record.items()}
    if len(named) < len(record):
        raise ValueError("two of its properties differ only in characters that cannot be stored")
    return named


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
    """Parse JSON as Python's parser reads it, with exact numbers; raise ValueError if it fails."""
    return json.loads(
        text.decode(errors="replace"),
        parse_float=Decimal,
        parse_int=_integer_of_any_size,
        parse_constant=Decimal,
    )


def _integer_of_any_size(digits: str) -> int | Decimal:
    return int(digits) if len(digits) <= _INT_DIGITS else Decimal(digits)


def to_json(value: Any) -> bytes:
    """Return a value as JSON; lone surrogates and NaN, which JSON cannot contain, are replaced."""
    return _encoder.encode(_storable(value, nested=False))


def _storable(value: Any, *, nested: bool = True) -> Any:
    match value:
        case str():
            return storable(value)
        case Decimal() if not value.is_finite():
            return str(value) if nested else msgspec.Raw(str(value).encode())
        case float() if not math.isfinite(value):
            return _storable(Decimal(value), nested=nested)
        case dict():
            return {storable(name): _storable(item) for name, item in value.items()}
        case list():
            return [_storable(item) for item in value]
        case _:
            return value


def convert(kind: ColumnType, raw: bytes) -> Any:
    """Convert a JSON value to the Python value that Arrow takes for a column of `kind`.

    Raises:
        TooNarrow: a column of another kind can hold the value.
        ValueError: the value is of another type than the column.
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
    """Return the kind of a raw JSON value, for a property without a schema."""
    return kind_of_value(parse_leniently(raw))


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError(f"{_shown(value)} is not a boolean")


def _integer(value: Any) -> int:
    number = _decimal(value)
    if not number.is_finite() or number != number.to_integral_value():
        raise TooNarrow(ColumnType.NUMBER)
    # Writing out a number such as 1e999999 would take too long.
    if number.adjusted() > len(str(INT64.stop)) or int(number) not in INT64:
        raise TooNarrow(ColumnType.NUMBER)
    return int(number)


def _number(value: Any) -> str:
    return str(_decimal(value))


def _decimal(value: Any) -> Decimal:
    if isinstance(value, int | str | Decimal) and not isinstance(value, bool):
        try:
            number = Decimal(value)
            is_odd = isinstance(value, str) and "_" in value  # Decimal reads 12_34 as 1234
            if not is_odd and (not number.is_nan() or str(number) == "NaN"):
                return number
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
    if isinstance(value, str) and _SHORT_HOUR.match(value):
        value = f"0{value}"  # such as 4:00:00
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
