"""Errors that a person has to resolve."""

from __future__ import annotations

from collections.abc import Iterable


class WarehouseError(Exception):
    """The warehouse cannot be used; the text is for the user."""


class TableError(WarehouseError):
    """A table cannot take the rows of its stream until a person changes the table or the stream."""


def key_error(table: str, old: Iterable[str], new: Iterable[str]) -> TableError:
    """Return the error of a table whose rows share values of a new key."""
    before, after = (", ".join(names) or "no column" for names in (sorted(old), new))
    return TableError(
        f"the primary key of the table {table!r} changes from {before} to {after}, but rows have "
        "the same new key: remove those rows, or load into another table"
    )
