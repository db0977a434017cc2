"""The interface through which a run reports to a person or to a program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from attribution_elt.meltano.outcome import Outcome
from attribution_elt.meltano.run_log import Event


class Display(Protocol):
    """Shows the events of runs and their summary."""

    def show(self, event: Event) -> None:
        """Show an event of the log."""

    def note(self, text: str) -> None:
        """Show a line that is not from the log."""

    def summarize(self, outcomes: Sequence[Outcome], skipped: Sequence[str]) -> None:
        """Show how the runs ended; `skipped` are the extractors without credentials."""
