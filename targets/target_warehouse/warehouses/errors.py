"""Errors that a person has to mend."""

from __future__ import annotations


class WarehouseError(Exception):
    """The warehouse cannot be used. The message is for the user."""


class TableError(WarehouseError):
    """A table cannot take the rows of its stream until a person changes one of the two."""
