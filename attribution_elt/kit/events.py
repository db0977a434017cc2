"""The progress of a reader, as events in the log."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from attribution_elt.core.events import event

if TYPE_CHECKING:
    from attribution_elt.kit.tap import VendorStream, VendorTap

PROGRESS_EVERY = 5.0
"""Seconds between two records of how far a walk has come, at least."""


class Progress:
    """Tells how far a walk over units has come: now and then, and at its end.

    Args:
        tap: whose log it is told in.
        streams: those that are fed.
    """

    def __init__(self, tap: VendorTap, streams: Sequence[VendorStream]) -> None:
        self._tap = tap
        self._streams = streams
        self._done = 0
        self._told_at = time.monotonic()

    def step(self, total: int | None) -> None:
        """Count a unit that is done, of all that there are if that is known."""
        self._done += 1
        if time.monotonic() - self._told_at >= PROGRESS_EVERY:
            self.tell(total)

    def tell(self, total: int | None) -> None:
        """Log how far it is."""
        self._told_at = time.monotonic()
        names = [stream.name for stream in self._streams]
        records = sum(stream.emitted for stream in self._streams)
        of = "" if total is None else f" of {total}"
        self._tap.logger.info(
            "%s: %d%s units, %d records",
            ", ".join(names),
            self._done,
            of,
            records,
            extra=event(
                "progress",
                streams=names,
                units_done=self._done,
                units_total=total,
                records=records,
            ),
        )
