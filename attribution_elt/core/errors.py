"""Errors that end a program with one line."""

from __future__ import annotations

from singer_sdk.exceptions import MapExpressionError


class OneLineError(Exception):
    """Ends the program; its text is one line that names the cause and what to do."""

    @property
    def lines(self) -> list[str]:
        """The lines to print: one, unless a subclass has several faults to report."""
        return [str(self)]


class OpsError(OneLineError):
    """Ends a command of `attribution-elt`."""


def in_a_line(error: Exception) -> str:
    """Return the text of any error in one line, or its type if it has no text."""
    return " ".join(str(error).split()) or type(error).__name__


def stream_map_error(error: Exception, stream: str) -> str:
    """Return the text of an error in an expression of a user's stream map.

    It names only the type of the cause, whose text may repeat personal data.
    """
    what = str(error) if isinstance(error, MapExpressionError) else "an expression failed"
    cause = type(error.__cause__ or error).__name__
    return f"setting 'stream_maps.{stream}': {what.rstrip('.')} ({cause})"


def lines_of(error: Exception) -> list[str]:
    """Return the lines that report an error which ends a program."""
    if isinstance(error, OneLineError):
        return error.lines
    expected = "" if isinstance(error, (OSError, ValueError)) else "unexpected "
    return [f"{expected}{type(error).__name__}: {in_a_line(error)}"]
