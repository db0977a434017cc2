"""ACTIVATE_VERSION: when the rows of older versions of a stream may be removed."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass
class Version:
    """What a run has received of a stream, as far as its active version depends on it."""

    active: int | None = None
    is_whole: bool = False
    """Whether the last record of the active version has come, as far as messages show.

    The message comes after that record, as the specification has it; taps that send the message
    before the records send a STATE after them.
    """
    has_records: bool = False

    def on_record(self) -> None:
        """Note that a record came."""
        self.has_records, self.is_whole = True, False

    def on_activate(self, version: int) -> None:
        """Note which version is active."""
        self.active, self.is_whole = version, self.has_records

    def on_state(self) -> None:
        """Note that a STATE covers all records so far."""
        self.is_whole = True
