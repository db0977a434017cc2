"""Quotes names and texts in standard SQL."""

from __future__ import annotations

from collections.abc import Iterable


class SqlDialect:
    """Standard SQL; subclasses describe the databases that differ from it."""

    name_limit: int
    """Longest identifier, in bytes."""
    reserved_columns: frozenset[str] = frozenset()
    """Names that no column of a table may have, in lower case."""

    def __init__(self, name_limit: int, reserved_columns: Iterable[str] = ()) -> None:
        self.name_limit = name_limit
        self.reserved_columns = frozenset(reserved_columns)

    def stored(self, name: str) -> str:
        """Return a name as the database's catalog has it, or the name of one of the catalog's."""
        return name

    def identifier(self, name: str) -> str:
        """Return a quoted identifier."""
        return '"' + self.stored(name).replace('"', '""') + '"'

    def identifiers(self, names: Iterable[str]) -> str:
        """Return quoted identifiers, separated by commas."""
        return ", ".join(map(self.identifier, names))

    def same(self, keys: Iterable[str], new: str = "new") -> str:
        """Return the condition that the rows `held` and `new` have the same key."""
        return " AND ".join(f"held.{key} = {new}.{key}" for key in map(self.identifier, keys))

    def literal(self, text: str) -> str:
        """Return a string literal."""
        return "'" + text.replace("'", "''") + "'"

    def sanitize(self, name: str) -> str:
        """Return the name with only the characters that an identifier may contain."""
        return name

    def fold_case(self, name: str) -> str:
        """Return the name in the case in which the database compares names."""
        return name


STANDARD = SqlDialect(name_limit=255)
quoted = STANDARD.identifier
listed = STANDARD.identifiers
literal = STANDARD.literal
