"""Errors that end a run, or fail a unit of it; each is reported in one line."""

from __future__ import annotations

from typing_extensions import override

from attribution_elt.core.errors import OneLineError


class PluginError(OneLineError):
    """Ends the run of a tap or of a target that writes to a vendor."""


class InvalidSettingsError(PluginError):
    """Invalid settings; `faults` has a line for each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults

    @property
    @override
    def lines(self) -> list[str]:
        return self.faults


class UnitError(PluginError):
    """One unit (a window, a website, a feed, a customer) failed after all retries; others continue.

    Attributes:
        status: the vendor's last HTTP status, None if there was no response.
        streams: the streams whose rows of this unit are missing.
        parts: how many requests of the unit failed.
    """

    def __init__(self, reason: str, *, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.streams: tuple[str, ...] = ()
        self.parts = 1

    @property
    def outage(self) -> bool:
        """Whether the failure concerns the vendor as a whole rather than this unit."""
        return self.status is None or self.status == 429 or self.status >= 500


class CredentialsError(UnitError):
    """The vendor returned 401 or 403: no other request of this account can succeed."""


class OverloadedError(UnitError):
    """The vendor returned 5xx or timed out: a smaller request may succeed."""


class UnreachableError(UnitError):
    """No connection to the vendor could be made: no other request can succeed."""
