"""Errors of the loader; each message is one line for the user."""

from __future__ import annotations

from singer_sdk.exceptions import MissingKeyPropertiesError


class InvalidSchemaError(Exception):
    """A stream's schema cannot be used."""


class LoadError(Exception):
    """The load cannot continue."""


class RecordsRejectedError(Exception):
    """The load is complete except for the records in the table of rejects."""


class KeysMissingError(RecordsRejectedError, MissingKeyPropertiesError):
    """Some rejected records have no key."""
