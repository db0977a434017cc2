"""The progress of a reader, as events in the log."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from attribution_elt.core.events import event
from attribution_elt.kit.stream import VendorStream

PROGRESS_EVERY = 5.0
"""Minimum seconds between two events."""


class Progress:
    """Logs how many units of a reader are done, at intervals and at the end.

    Args:
        logger: the log of the tap.
        streams: the streams that the reader feeds.
    """

    def __init__(self, logger: logging.Logger, streams: Sequence[VendorStream]) -> None:
        self._logger = logger
        self._streams = streams
        self._done = self._failed = 0
        self._logged_at = time.monotonic()

    def step(self, total: int | None, *, failed: bool = False) -> None:
        """Count a finished unit.

        Args:
            total: the number of all units, if it is known.
            failed: whether the unit failed.
        """
        self._done += 1
        self._failed += failed
        if time.monotonic() - self._logged_at >= PROGRESS_EVERY:
            self.log(total)

    def log(self, total: int | None) -> None:
        """Log the number of units and records so far."""
        self._logged_at = time.monotonic()
        names = [stream.name for stream in self._streams]
        records = sum(stream.emitted for stream in self._streams)
        of = "" if total is None else f" of {total}"
        self._logger.info(
            "%s: %d%s units%s, %d records",
            ", ".join(names),
            self._done,
            of,
            f" ({self._failed} failed)" if self._failed else "",
            records,
            extra=event(
                "progress",
                streams=names,
                units_done=self._done,
                units_failed=self._failed,
                units_total=total,
                records=records,
            ),
        )
