"""The failures of a run; each is reported in one line."""

from __future__ import annotations

from typing_extensions import override

from attribution_elt.core.errors import OneLineError


class TapError(OneLineError):
    """Ends the run of a tap."""


class InvalidSettingsError(TapError):
    """Settings that cannot work; `faults` holds one line for each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults

    @property
    @override
    def lines(self) -> list[str]:
        return self.faults


class UnitError(TapError):
    """One unit (a window, a website, a feed, a customer) failed for good; the others go on.

    `status` is the vendor's last HTTP status, None where no answer came; `streams` are those
    that lack it; `parts` is how many parts of it were asked for in vain.
    """

    def __init__(self, reason: str, *, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.streams: tuple[str, ...] = ()
        self.parts = 1

    @property
    def outage(self) -> bool:
        """Whether it tells of the vendor as a whole rather than of this unit."""
        return self.status is None or self.status == 429 or self.status >= 500


class CredentialsError(UnitError):
    """The vendor answered 401 or 403: no other request of this account can succeed."""


class OverloadedError(UnitError):
    """The vendor answered 5xx or not in time: a smaller request may succeed."""


class UnreachableError(UnitError):
    """No connection to the vendor came about: no other request can succeed either."""
