"""How a database writes names and texts in SQL."""

from __future__ import annotations

from collections.abc import Iterable


class SqlDialect:
    """Standard SQL. Databases that differ from it have a subclass."""

    name_limit: int
    """Longest identifier, in bytes."""
    reserved_columns: frozenset[str] = frozenset()
    """Names that no column of a table can have, folded to lower case."""

    def __init__(self, name_limit: int, reserved_columns: Iterable[str] = ()) -> None:
        self.name_limit = name_limit
        self.reserved_columns = frozenset(reserved_columns)

    def identifier(self, name: str) -> str:
        """Return a quoted identifier."""
        return '"' + name.replace('"', '""') + '"'

    def identifiers(self, names: Iterable[str]) -> str:
        """Return quoted identifiers, separated by commas."""
        return ", ".join(map(self.identifier, names))

    def literal(self, text: str) -> str:
        """Return a string literal."""
        return "'" + text.replace("'", "''") + "'"

    def sanitize(self, name: str) -> str:
        """Return the name with only the characters that an identifier may have."""
        return name

    def fold_case(self, name: str) -> str:
        """Return the name that the database takes this one for, if it ignores case."""
        return name


STANDARD = SqlDialect(name_limit=255)
quoted = STANDARD.identifier
listed = STANDARD.identifiers
literal = STANDARD.literal
