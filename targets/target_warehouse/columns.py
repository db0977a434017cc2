"""Columns: their kinds from a stream's JSON schema, and how they widen."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import StrEnum
from functools import reduce
from typing import Any

from attribution_elt.core.text import storable


class ColumnType(StrEnum):
    """Kinds of values; each warehouse maps them to its own types."""

    BOOLEAN = "boolean"
    INTEGER = "integer"  # 64 bits
    NUMBER = "number"  # exact decimals
    DATE = "date"
    TIMESTAMP = "timestamp"  # an instant, to the microsecond
    TIME = "time"
    TEXT = "text"
    JSON = "json"


@dataclasses.dataclass(frozen=True)
class Column:
    """A column that the stream needs, or an existing column (then with its `type`)."""

    kind: ColumnType
    scale: int = 0
    """Digits after the point of a `NUMBER`, if the warehouse bounds them."""
    type: str = dataclasses.field(default="", compare=False)
    is_narrow: bool = dataclasses.field(default=False, compare=False)
    """Whether its type cannot hold every value of its kind."""
    is_filled: bool = dataclasses.field(default=False, compare=False)
    """Whether the database fills it if a load does not: it has a default or is generated."""
    is_required: bool = dataclasses.field(default=False, compare=False)
    """Whether it is NOT NULL."""

    @property
    def is_uuid(self) -> bool:
        """Whether the database treats several notations as the same value."""
        return self.type.lower() == "uuid"

    def in_table(self, *, is_filled: bool, is_required: bool) -> Column:
        """Return the column with the rules of its table."""
        return dataclasses.replace(self, is_filled=is_filled, is_required=is_required)

    def widened(self, kind: ColumnType) -> Column:
        """Return the column that holds the present values and values of `kind` too."""
        return dataclasses.replace(self, kind=widen(self.kind, kind))

    def widest(self, other: Column) -> Column:
        """Return the column that holds the values of both columns."""
        wider = self.widened(other.kind)
        return dataclasses.replace(wider, scale=max(self.scale, other.scale))

    def is_narrower(self, wanted: Column) -> bool:
        """Return whether this column of a table cannot hold every value of the wanted column."""
        return self.is_narrow or self.kind is not wanted.kind or self.scale < wanted.scale

    def sized(self, whole: int, fraction: int, limit: int, step: int = 1) -> Column:
        """Return a decimal column with these digits before and after the point, of `limit` at most.

        Digits after the point are added in steps of `step` while they fit. If no such decimal
        exists, the column is text.
        """
        scale = self.scale
        if fraction > scale:
            rounded = -(-fraction // step) * step
            scale = rounded if whole + rounded <= limit else fraction
        if whole + scale > limit:
            return dataclasses.replace(self, kind=ColumnType.TEXT)
        return dataclasses.replace(self, scale=scale)


Columns = Mapping[str, Column]
"""Columns by name."""
_NUMERIC = {ColumnType.INTEGER, ColumnType.NUMBER}
_DATED = {ColumnType.DATE, ColumnType.TIMESTAMP}
_UNIVERSAL = (ColumnType.TEXT, ColumnType.JSON)


def widen(held: ColumnType, wanted: ColumnType) -> ColumnType:
    """Return the narrowest kind that holds both kinds without loss; text and JSON hold anything."""
    if held in _UNIVERSAL or held is wanted:
        return held
    if wanted in _UNIVERSAL:
        return wanted
    if {held, wanted} == _NUMERIC:
        return ColumnType.NUMBER
    if {held, wanted} == _DATED:
        return ColumnType.TIMESTAMP
    return ColumnType.TEXT


def kinds_of(schema: Mapping[str, Any], keys: Iterable[str]) -> dict[str, ColumnType | None]:
    """Return the kind of each property of a stream's JSON schema; None if it allows only null."""
    kinds = {name: kind_of(property_) for name, property_ in schema["properties"].items()}
    for key in keys:
        if kinds.get(key) is ColumnType.JSON:  # warehouses cannot compare JSON
            kinds[key] = ColumnType.TEXT
    return kinds


def descriptions_of(schema: Mapping[str, Any]) -> dict[str, str]:
    """Return the description of each property that has one."""
    described = {
        name: storable(str(property_.get("description") or ""))
        for name, property_ in schema["properties"].items()
        if isinstance(property_, Mapping)
    }
    return {name: text for name, text in described.items() if text}


def kind_of(schema: Any) -> ColumnType | None:
    """Return the kind that holds every value that a schema allows; None if it allows only null."""
    found = _alternatives(schema)
    if ColumnType.JSON in found:
        return ColumnType.JSON
    return reduce(widen, found) if found else None


_FORMATS = {
    "date-time": ColumnType.TIMESTAMP,
    "date": ColumnType.DATE,
    "time": ColumnType.TIME,
    "singer.decimal": ColumnType.NUMBER,
    "x-singer.decimal": ColumnType.NUMBER,
}
_TYPES = {"boolean": ColumnType.BOOLEAN, "integer": ColumnType.INTEGER, "number": ColumnType.NUMBER}


def _alternatives(schema: Any) -> list[ColumnType]:
    """Return the kinds that a schema allows; a schema without a type allows any."""
    if not isinstance(schema, Mapping):
        return [ColumnType.JSON]
    types = schema.get("type")
    if types is not None:
        names = types if isinstance(types, list) else [types]
        return [_kind_of_type(name, schema.get("format")) for name in names if name != "null"]
    for combination in ("anyOf", "oneOf"):
        if combination in schema:
            return [kind for part in _listed(schema[combination]) for kind in _alternatives(part)]
    values = _listed(schema.get("enum", [schema["const"]] if "const" in schema else [{}]))
    return [kind_of_value(value) for value in values if value is not None]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [{}]


def _kind_of_type(name: Any, format_: Any) -> ColumnType:
    if name == "string":
        return _FORMATS.get(str(format_), ColumnType.TEXT)
    return _TYPES.get(str(name), ColumnType.JSON)


def kind_of_value(value: Any) -> ColumnType:
    """Return the kind of a decoded JSON value."""
    match value:
        case bool():
            return ColumnType.BOOLEAN
        case int():
            return ColumnType.INTEGER
        case float() | Decimal():
            return ColumnType.NUMBER
        case str():
            return ColumnType.TEXT
        case _:
            return ColumnType.JSON
