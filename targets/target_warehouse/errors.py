"""Errors, and how they are told."""

from __future__ import annotations


class InvalidSchemaError(Exception):
    """Nothing can be made of a stream's schema."""


def in_a_line(error: Exception) -> str:
    """Return what an error says, of whichever library, in one line."""
    return " ".join(str(error).split())
