"""JSON types of a query's columns, and conversion of its values to JSON."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from attribution_elt.core import dates
from attribution_elt.kit.errors import PluginError

Schema = dict[str, Any]

_TEXT: Schema = {"type": ["string", "null"]}
_NULL: Schema = {"type": ["null"]}
_SCHEMAS: tuple[tuple[type, Schema], ...] = (
    # bool is a subclass of int, and datetime of date: the narrower type comes first
    (bool, {"type": ["boolean", "null"]}),
    (int, {"type": ["integer", "null"]}),
    (float, {"type": ["number", "null"]}),
    (Decimal, {"type": ["number", "null"]}),
    (datetime, {"type": ["string", "null"], "format": "date-time"}),
    (date, {"type": ["string", "null"], "format": "date"}),
    (dict, {"type": ["object", "null"]}),
    (list, {"type": ["array", "null"]}),
)


def schema_of(rows: Iterable[Mapping[str, Any]], keys: Iterable[str], *, is_whole: bool) -> Schema:
    """Return the JSON schema of rows; columns with mixed types are text.

    A column without values is null if these are all rows (`is_whole`), else text.
    """
    found: dict[str, list[Schema]] = {}
    for row in rows:
        for name, value in row.items():
            kinds = found.setdefault(name, [])
            if value is not None and (kind := _schema_of(value)) not in kinds:
                kinds.append(kind)
    empty = _NULL if is_whole else _TEXT
    properties = {name: _joined(kinds or [empty]) for name, kinds in found.items()}
    for key in keys:
        if key in properties:
            kept = [kind for kind in properties[key]["type"] if kind != "null"] or ["string"]
            properties[key] = {**properties[key], "type": kept}
    return {"type": "object", "properties": properties}


def converter(column: str, schema: Schema) -> Callable[[Any], Any]:
    """Return the function that converts a column's values to JSON.

    The function raises PluginError for a value of another type than the schema has.
    """
    if "format" not in schema and schema["type"][0] == "string":
        return lambda value: None if value is None else _text(value)
    if schema == _NULL:  # the row has changed since its type was read
        return _json
    kinds = [
        kind
        for kind, each in _SCHEMAS
        if each["type"][0] == schema["type"][0] and each.get("format") == schema.get("format")
    ]
    if schema["type"][0] == "number":
        kinds.append(int)

    def convert(value: Any) -> Any:
        if value is None or _is_not_finite(value):
            return None
        if _kind_of(value) not in kinds:
            raise PluginError(
                f"column {column!r} has a value of type {type(value).__name__} after values of "
                f"type {schema['type'][0]}: cast the column in the query"
            )
        return _json(value)

    return convert


def _json(value: Any) -> Any:
    """Return a value as JSON, nested values included; JSON has no NaN and no infinity."""
    if isinstance(value, dict):
        return {str(name): _json(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_json(each) for each in value]
    if _is_not_finite(value):
        return None
    return value if isinstance(value, str | int | float | Decimal | None) else _text(value)


def _is_not_finite(value: Any) -> bool:
    if isinstance(value, Decimal):  # a great decimal is an infinite float
        return not value.is_finite()
    return isinstance(value, float) and not math.isfinite(value)


def _kind_of(value: Any) -> type | None:
    return next((kind for kind, _ in _SCHEMAS if isinstance(value, kind)), None)


def _schema_of(value: Any) -> Schema:
    kind = _kind_of(value)
    return next((schema for each, schema in _SCHEMAS if each is kind), _TEXT)


def _joined(kinds: list[Schema]) -> Schema:
    if {kind["type"][0] for kind in kinds} == {"integer", "number"}:
        return {"type": ["number", "null"]}
    return dict(kinds[0]) if len(kinds) == 1 else dict(_TEXT)


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{dates.instant(value).replace(tzinfo=None).isoformat()}Z"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    return str(value)
