"""Normalizes JSON schemas of streams: resolves references and merges combinations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from attribution_elt.core.text import storable

_MOST_PARTS = 100_000
"""Maximum number of parts of a schema: references inside each other can make it endless."""
_ALTERNATIVES = ("anyOf", "oneOf")


def normalized(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stream's schema with all its properties at the top level.

    Local references (`#/definitions/x`) are replaced by their targets, and `allOf` is merged.
    Properties in `anyOf` and `oneOf` at the top level are combined; a property with several
    descriptions may have any of them. A schema without properties gets an empty object.
    """
    resolver = _Resolver(schema)
    found: dict[str, list[Any]] = {}
    for name, described in resolver.properties(schema):
        alternatives = found.setdefault(storable(name), [])
        if described not in alternatives:
            alternatives.append(described)
    properties = {
        name: described[0] if len(described) == 1 else {"anyOf": described}
        for name, described in found.items()
    }
    moved = {*_ALTERNATIVES, "allOf", "$ref"}
    return {
        **{name: value for name, value in schema.items() if name not in moved},
        "properties": properties,
    }


class _Resolver:
    """Follows the references of one document, each at most once on a path."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._parts = 0

    def properties(self, part: Any, seen: frozenset[str] = frozenset()) -> Iterator[Any]:
        """Yield the properties of a part of the document, with their resolved schemas."""
        part, seen = self._followed(part, seen)
        if isinstance(part.get("properties"), Mapping):
            for name, described in part["properties"].items():
                yield name, self.resolved(described, seen)
        for combination in (*_ALTERNATIVES, "allOf"):
            for member in _members(part, combination):
                yield from self.properties(member, seen)

    def resolved(self, schema: Any, seen: frozenset[str] = frozenset()) -> Any:
        """Return a property's schema without references and without `allOf`."""
        if not isinstance(schema, Mapping):
            return schema
        schema, seen = self._followed(schema, seen)
        merged = {name: value for name, value in schema.items() if name != "allOf"}
        for member in _members(schema, "allOf"):
            part = self.resolved(member, seen)
            merged = {**part, **merged} if isinstance(part, Mapping) else merged
        for combination in _ALTERNATIVES:
            if members := _members(merged, combination):
                merged[combination] = [self.resolved(member, seen) for member in members]
        return merged

    def _followed(
        self, part: Any, seen: frozenset[str]
    ) -> tuple[Mapping[str, Any], frozenset[str]]:
        """Return a part merged with the target of its `$ref`, and the references seen."""
        self._parts += 1
        while isinstance(part, Mapping) and isinstance(part.get("$ref"), str):
            reference = part["$ref"]
            beside = {name: value for name, value in part.items() if name != "$ref"}
            if reference in seen:
                return beside, seen
            seen |= {reference}
            target = self._target(reference)
            part = {**target, **beside} if isinstance(target, Mapping) else beside
        if not isinstance(part, Mapping) or self._parts > _MOST_PARTS:
            return {}, seen
        return part, seen

    def _target(self, reference: str) -> Any:
        """Return the part of the document at a local reference, or None."""
        if not reference.startswith("#"):
            return None
        found: Any = self._document
        for step in reference[1:].split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, list) and name.isdecimal() and int(name) < len(found):
                found = found[int(name)]
            elif isinstance(found, Mapping) and name in found:
                found = found[name]
            else:
                return None
        return found


def _members(schema: Mapping[str, Any], combination: str) -> list[Any]:
    """Return the members of a combination; a member that is a string names a type."""
    members = schema.get(combination)
    if not isinstance(members, list):
        return []
    return [{"type": member} if isinstance(member, str) else member for member in members]
