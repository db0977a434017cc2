"""ACTIVATE_VERSION and `overwrite`: when rows that a run has not delivered may be removed."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection


@dataclasses.dataclass
class Version:
    """What a run has received of a stream, as far as the removal of old rows depends on it."""

    activated: list[int] = dataclasses.field(default_factory=list)
    """Versions in the order in which the tap has activated them."""
    is_whole: bool = False
    """Whether the last record of the stream has come, as far as messages show.

    ACTIVATE_VERSION comes after that record, as the specification has it; other taps send a STATE
    after it.
    """
    has_records: bool = False

    @property
    def active(self) -> int | None:
        """The version that replaces all others, if the tap has activated one."""
        return self.activated[-1] if self.activated else None

    def on_record(self) -> None:
        """Note that a record came."""
        self.has_records, self.is_whole = True, False

    def on_activate(self, version: int) -> None:
        """Note which version is active."""
        self.activated.append(version)
        self.is_whole = self.has_records

    def on_state(self) -> None:
        """Note that a STATE covers all records so far."""
        self.is_whole = True

    def contradiction(self, found: Collection[int | None]) -> str | None:
        """Return why the records of the run do not fit the active version, or None."""
        odd = sorted(str(version) for version in {*found} - {*self.activated})
        if not odd:
            return None
        carried = "no version" if odd == ["None"] else f"version {odd[0]}"
        return f"the tap activated version {self.active}, but records of this run carry {carried}"
