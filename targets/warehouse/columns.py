"""What a column holds: read from a stream's JSON schema, widened when that is no longer enough."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import StrEnum
from functools import reduce
from typing import Any


class Kind(StrEnum):
    """The kinds of values, which each warehouse maps to a type of its own."""

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
    """A column as it is wanted, or as the warehouse has it (then with the `type` it goes by)."""

    kind: Kind
    scale: int = 0
    """Digits after the point of a `NUMBER`, where the warehouse bounds them."""
    type: str = dataclasses.field(default="", compare=False)

    def widened(self, kind: Kind) -> Column:
        """Return the column that holds what it held and values of `kind` too."""
        return dataclasses.replace(self, kind=widen(self.kind, kind))

    def widest(self, other: Column) -> Column:
        """Return the column that holds what either holds."""
        wider = self.widened(other.kind)
        return dataclasses.replace(wider, scale=max(self.scale, other.scale))

    def sized(self, whole: int, fraction: int, limit: int, step: int) -> Column:
        """Return the decimal that has so many digits before and after the point, of `limit`.

        Digits after the point come `step` at a time, while they fit. Text if there is no such
        decimal.
        """
        scale = self.scale
        if fraction > scale:
            rounded = -(-fraction // step) * step
            scale = rounded if whole + rounded <= limit else fraction
        if whole + scale > limit:
            return dataclasses.replace(self, kind=Kind.TEXT)
        return dataclasses.replace(self, scale=scale)


_NUMERIC = {Kind.INTEGER, Kind.NUMBER}
_DATED = {Kind.DATE, Kind.TIMESTAMP}
_UNIVERSAL = (Kind.TEXT, Kind.JSON)


def widen(held: Kind, wanted: Kind) -> Kind:
    """Return the narrowest kind that loses nothing of either; text and JSON hold anything."""
    if held in _UNIVERSAL or held is wanted:
        return held
    if wanted in _UNIVERSAL:
        return wanted
    if {held, wanted} == _NUMERIC:
        return Kind.NUMBER
    if {held, wanted} == _DATED:
        return Kind.TIMESTAMP
    return Kind.TEXT


def kinds_of(schema: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Kind]:
    """Return the kind of each property of a stream's JSON schema."""
    kinds = {name: kind_of(property_) for name, property_ in schema["properties"].items()}
    for key in keys:
        if kinds.get(key) is Kind.JSON:  # which warehouses cannot compare
            kinds[key] = Kind.TEXT
    return kinds


def kind_of(schema: Any) -> Kind:
    """Return the kind that holds every value a property's JSON schema allows."""
    found = _alternatives(schema)
    if Kind.JSON in found:
        return Kind.JSON
    return reduce(widen, found) if found else Kind.TEXT


_FORMATS = {
    "date-time": Kind.TIMESTAMP,
    "date": Kind.DATE,
    "time": Kind.TIME,
    "singer.decimal": Kind.NUMBER,
    "x-singer.decimal": Kind.NUMBER,
}
_TYPES = {"boolean": Kind.BOOLEAN, "integer": Kind.INTEGER, "number": Kind.NUMBER}


def _alternatives(schema: Any) -> list[Kind]:
    """Return the kinds that a schema allows; what it says in no known way may be anything."""
    if not isinstance(schema, Mapping):
        return [Kind.JSON]
    types = schema.get("type")
    if types is not None:
        names = types if isinstance(types, list) else [types]
        return [_kind_of_type(name, schema.get("format")) for name in names if name != "null"]
    for combination in ("anyOf", "oneOf", "allOf"):
        if combination in schema:
            return [kind for part in _listed(schema[combination]) for kind in _alternatives(part)]
    values = _listed(schema.get("enum", [schema["const"]] if "const" in schema else [{}]))
    return [kind_of_value(value) for value in values if value is not None]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [{}]


def _kind_of_type(name: Any, format_: Any) -> Kind:
    if name == "string":
        return _FORMATS.get(str(format_), Kind.TEXT)
    return _TYPES.get(str(name), Kind.JSON)


def kind_of_value(value: Any) -> Kind:
    """Return the kind of a JSON value, as Python has it."""
    match value:
        case bool():
            return Kind.BOOLEAN
        case int():
            return Kind.INTEGER
        case float() | Decimal():
            return Kind.NUMBER
        case str():
            return Kind.TEXT
        case _:
            return Kind.JSON
