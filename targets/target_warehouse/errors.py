"""Errors of the loader."""

from __future__ import annotations


class InvalidSchemaError(Exception):
    """Nothing can be made of a stream's schema."""
