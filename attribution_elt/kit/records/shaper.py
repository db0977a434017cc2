"""Converts a vendor's object into a record of its stream's schema, in one pass."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping
from contextlib import suppress
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

from attribution_elt.core.dates import instant
from attribution_elt.kit.records.personal_data import EXTRA, PersonalData

Warn = Callable[[str], None]
Convert = Callable[[Any], Any]
MOST_DIGITS = 1000
"""Maximum digits of a whole number with an exponent: more would be an attack, not an id."""

_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NOT_WORD = re.compile(r"\W+")
_FRACTION = re.compile(r"[.,](\d+)")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@cache
def snake_case(name: str) -> str:
    """Return a vendor's name in snake_case: `programURL` becomes `program_url`."""
    return _NOT_WORD.sub("_", _HUMPS.sub("_", name)).lower()[:63]


def text(value: Any) -> str:
    """Convert a value to text; numbers keep their digits."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, Decimal)):
        return str(value)
    raise ValueError


def integer(value: Any) -> int:
    """Convert a whole number, sent as JSON number or text, of any size."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    number = decimal(value)
    if number.adjusted() > MOST_DIGITS or number != number.to_integral_value():
        raise ValueError
    return int(number)


def decimal(value: Any) -> Decimal:
    """Convert a finite number, sent as JSON number or text, with all its digits."""
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
        raise ValueError
    if isinstance(value, str) and "_" in value:  # Python reads "1_000" as 1000
        raise ValueError
    try:
        number = Decimal(value.strip() if isinstance(value, str) else value)
    except InvalidOperation:
        raise ValueError from None
    if not number.is_finite():
        raise ValueError
    return number


def number(value: Any) -> int | Decimal:
    """Convert a number as `decimal` does; whole numbers stay whole."""
    return value if type(value) is int else decimal(value)


def whole(value: Any) -> int | None:
    """Return a whole number, sent as JSON number or text; None for anything else."""
    written = str(value)
    try:
        return None if "_" in written else int(written)
    except ValueError:
        return None


def boolean(value: Any) -> bool:
    """Convert a JSON boolean, or what vendors send instead: 0, 1, "true", "false"."""
    if isinstance(value, bool):
        return value
    truth = {0: False, 1: True, "0": False, "1": True, "true": True, "false": False}
    if isinstance(value, str):
        value = value.lower()
    if not isinstance(value, (int, str)) or value not in truth:
        raise ValueError
    return truth[value]


def timestamp(value: Any) -> str:
    """Convert an ISO 8601 instant with any offset to RFC 3339 in UTC; its fraction is kept."""
    if not isinstance(value, str):
        raise ValueError
    moment = instant(value)
    fraction = _FRACTION.search(value)
    digits = f".{fraction[1]}" if fraction else ""
    return f"{moment.isoformat()[:19]}{digits}Z"


def day(value: Any) -> str:
    """Convert a calendar day that exists, YYYY-MM-DD."""
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError
    date.fromisoformat(value)
    return value


def _nested(schema: Mapping[str, Any]) -> Convert:
    """Check an object or array; rename the members that the schema names, keep the others."""
    wanted = dict if "object" in schema["type"] else list
    rename = _renaming(schema if wanted is dict else schema.get("items", {}))

    def convert(value: Any) -> Any:
        if type(value) is not wanted:
            raise ValueError
        if rename is None:
            return value
        return rename(value) if wanted is dict else [rename(each) for each in value]

    return convert


def _renaming(schema: Mapping[str, Any]) -> Convert | None:
    """Return a function that gives the members of a nested object the schema's names and types.

    A value that does not fit its type stays as it is: the column is JSON.
    """
    if not schema.get("properties"):
        return None
    converts = {name: _convert(each) for name, each in schema["properties"].items()}

    def rename(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        renamed = {snake_case(name): member for name, member in value.items()}
        if len(renamed) < len(value):
            renamed = _all_renamed(value)
        for name in converts.keys() & renamed.keys():
            with suppress(ValueError, OverflowError):
                renamed[name] = converts[name](renamed[name])
        return renamed

    return rename


def _all_renamed(value: Mapping[str, Any]) -> dict[str, Any]:
    """Rename members of which two differ in case alone: one of them keeps its name."""
    renamed: dict[str, Any] = {}
    for name, member in value.items():
        target = snake_case(name)
        renamed[target if target not in renamed else _unlike(renamed, name)] = member
    return renamed


def _unlike(taken: Container[str], name: str) -> str:
    while name in taken:
        name += "_"
    return name


_BY_TYPE: dict[str, Convert] = {
    "string": text,
    "integer": integer,
    "number": number,
    "boolean": boolean,
}
_BY_FORMAT: dict[str, Convert] = {"date-time": timestamp, "date": day}


def _convert(schema: Mapping[str, Any]) -> Convert:
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    kind = next(kind for kind in kinds if kind != "null")
    if kind in {"object", "array"}:
        return _nested({**schema, "type": [kind]})
    convert = _BY_FORMAT.get(schema.get("format", ""), _BY_TYPE[kind])
    if schema.get("x-empty-is-null"):
        return lambda value: None if value == "" else convert(value)
    return convert


class RecordShaper:
    """Converts a vendor's objects to records of one stream; the schema is compiled once.

    Every property of the schema is in every record. Members that the schema does not name, and the
    originals of values that do not fit their type, go into `_extra`.

    Args:
        schema: the stream's JSON schema, with these annotations: `x-flatten`, a list of nested
        objects whose members become `<object>_<member>`; `x-empty-is-null` for a property in which
        the vendor sends `""` for nothing; `x-vendor-name` for a property with another name than the
        vendor's; `x-pii` for personal data.
        keys: the primary key; if it is personal data, it is masked but never dropped.
        mask: the treatment of personal data.
        warn: called once for each property that is unknown or does not fit.
    """

    def __init__(
        self, schema: Mapping[str, Any], keys: tuple[str, ...], mask: PersonalData, warn: Warn
    ) -> None:
        properties = schema["properties"]
        self._flatten = frozenset(schema.get("x-flatten", ()))
        self._warn = warn
        self._warned: set[str] = set()
        self._blank = dict.fromkeys(properties)
        self._masks = {
            name: mask.of(key=name in keys)
            for name, each in properties.items()
            if each.get("x-pii") and mask.active and name != EXTRA
        }
        self._mask_extra = mask.extra if mask.active and EXTRA in properties else None
        self._harmless = {name for name, each in properties.items() if not each.get("x-pii")}
        self._converts = {name: _convert(each) for name, each in properties.items()}
        # most of a context is the same for every row of a unit
        self._context: dict[str, tuple[Any, Any]] = {}
        self._fields: dict[str, tuple[str, Convert | None]] = {
            each["x-vendor-name"]: (name, self._converts[name])
            for name, each in properties.items()
            if "x-vendor-name" in each
        }
        self._named = {target for target, _ in self._fields.values()}

    def __call__(self, row: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
        """Return the record of a vendor's object, with the properties that do not come with it."""
        record = self._blank.copy()
        extra: dict[str, Any] = {}
        self._take(row, "", record, extra)
        for name, value in context.items():
            known = self._context.get(name)
            if known is None or known[0] is not value:
                known = (value, self._fit(name, value, extra))
                if name not in extra:  # otherwise it is kept for every row
                    self._context[name] = known
            if record[name] is not None and record[name] != known[1]:
                self._warn_once(name, "is not what was requested; kept in _extra")
                extra[name] = record[name]
            record[name] = known[1]
        if extra:
            record[EXTRA] = {**(record[EXTRA] or {}), **extra}
        if self._mask_extra is not None and (given := record[EXTRA]):
            record[EXTRA] = self._mask_extra(given, self._harmless)
        for name, mask in self._masks.items():
            if record[name] is not None:
                record[name] = mask(record[name])
        return record

    def _take(
        self, row: Mapping[str, Any], prefix: str, record: dict[str, Any], extra: dict[str, Any]
    ) -> None:
        fields = self._fields
        for name, value in row.items():
            key = prefix + name if prefix else name
            target, convert = fields.get(key) or self._learn(key)
            if value is None:
                continue
            if convert is None:
                if target in self._flatten and isinstance(value, dict):
                    self._take(value, f"{target}_", record, extra)
                    continue
                if target in self._converts:
                    if record[target] is None and target not in extra:
                        record[target] = self._fit(target, value, extra)
                        continue
                    target = _unlike(extra, name)
                self._warn_once(target, "is not in the schema and goes into _extra")
                extra[target] = value
                continue
            if convert is text and type(value) is str:
                record[target] = value  # most values, without a call
                continue
            try:
                record[target] = convert(value)
            except (ValueError, OverflowError):
                record[target] = self._fit(target, value, extra)

    def _fit(self, name: str, value: Any, extra: dict[str, Any]) -> Any:
        """Return the value in its property's type, or None; the original is kept."""
        try:
            return None if value is None else self._converts[name](value)
        except (ValueError, OverflowError):
            self._warn_once(name, "has a value that does not fit its type; kept in _extra")
            extra[name] = value
            return None

    def value(self, name: str, value: Any) -> Any:
        """Return a property's value as a record has it; None if it does not fit its type."""
        try:
            value = None if value is None else self._converts[name](value)
        except (ValueError, OverflowError):
            return None
        mask = self._masks.get(name)
        return mask(value) if mask and value is not None else value

    def _learn(self, name: str) -> tuple[str, Convert | None]:
        """Decide, when a vendor's name first occurs, which property it is.

        Names that differ in case alone are the same property. If a row has several, the first one
        is used.
        """
        target = snake_case(name)
        namesakes = [each for each, (known, _) in self._fields.items() if known == target]
        if not namesakes or target in self._flatten:
            self._fields[name] = (target, self._converts.get(target))
        elif target in self._converts and target not in self._named:
            self._fields |= dict.fromkeys((*namesakes, name), (target, None))
        else:
            self._fields[name] = (
                _unlike({known for known, _ in self._fields.values()}, name),
                None,
            )
        return self._fields[name]

    def _warn_once(self, target: str, what: str) -> None:
        if target not in self._warned:
            self._warned.add(target)
            self._warn(f"property {target!r} {what}")
