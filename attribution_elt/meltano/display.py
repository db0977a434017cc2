"""The interface through which a run reports to a person or to a program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from attribution_elt.meltano.run_log import Event

if TYPE_CHECKING:
    from attribution_elt.meltano.execution import Outcome


class Display(Protocol):
    """Shows the events of runs and their summary."""

    def show(self, event: Event) -> None:
        """Show an event of the log."""

    def note(self, text: str) -> None:
        """Show a line of our own."""

    def summarize(self, outcomes: Sequence[Outcome], skipped: Sequence[str]) -> None:
        """Show how the runs ended; `skipped` are the extractors without credentials."""
