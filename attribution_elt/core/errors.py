"""What ends a command of `attribution-elt`."""

from __future__ import annotations


class OpsError(Exception):
    """A command cannot go on: its text is one line that says why and what to do."""
