"""When `overwrite` and ACTIVATE_VERSION may remove rows that a run has not delivered."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection


@dataclasses.dataclass
class Version:
    """The versions of a stream's records and its ACTIVATE_VERSION messages in this run."""

    activated: list[int] = dataclasses.field(default_factory=list)
    """Versions in the order in which the tap has activated them."""
    is_whole: bool = False
    """Whether the stream's last record has arrived, according to the messages.

    By the specification, ACTIVATE_VERSION comes after that record; other taps send a STATE after
    it.
    """
    has_records: bool = False

    @property
    def active(self) -> int | None:
        """The version that replaces all others; None if the tap has not activated one."""
        return self.activated[-1] if self.activated else None

    def on_record(self) -> None:
        """Record the version of a record that arrived."""
        self.has_records, self.is_whole = True, False

    def on_activate(self, version: int) -> None:
        """Record the activated version."""
        self.activated.append(version)
        self.is_whole = self.has_records

    def on_state(self) -> None:
        """Record that a STATE covers all records so far."""
        self.is_whole = True

    def contradiction(self, found: Collection[int | None]) -> str | None:
        """Return why the run's records do not fit the active version, or None."""
        odd = sorted(str(version) for version in {*found} - {*self.activated})
        if not odd:
            return None
        carried = "no version" if odd == ["None"] else f"version {odd[0]}"
        return f"the tap activated version {self.active}, but records of this run carry {carried}"
