"""Progress of a run: journeys to settle, and the state of the settled ones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from attribution_elt.core.dates import instant, now_text, rfc3339
from attribution_elt.kit.stream import VendorStream
from tap_ihc.computed import START, Computed
from tap_ihc.journeys import Summary


class Progress:
    """The journeys of a run, from being read to being settled, in the order of their conversions.

    Args:
        streams: the selected streams; the state of the first one remembers computed journeys.
        parameters: hash of everything but the sessions that credits depend on.

    Attributes:
        waiting: journeys that are read but not settled, by conversion, in the order of time.
        all_read: whether every journey of the run has been read.
    """

    def __init__(self, streams: Sequence[VendorStream], parameters: str) -> None:
        self._streams = streams
        leader = streams[0]
        self._computed = Computed(leader.stream_state, leader.bookmark, parameters)
        self._read_to = START
        self.waiting: dict[str, Summary] = {}
        self.all_read = False

    @property
    def since(self) -> datetime:
        """The instant up to which all conversions were settled by earlier runs."""
        return instant(self._computed.since)

    @property
    def horizon(self) -> str:
        """The day before which conversions count as computed; "" if all are remembered."""
        return self._computed.horizon

    def read(self, journey: Summary) -> bool:
        """Add a journey that was read; return whether it has to be sent."""
        self._read_to = journey.converted
        if journey in self._computed:
            return False
        self.waiting[journey.conversion_id] = journey
        return True

    def discard(self, journey: Summary) -> None:
        """Count a journey as not computed: it cannot be sent, and its credits are removed."""
        self._computed.discard(journey)

    def settle(self, conversion: str) -> None:
        """Count a journey as computed or refused, so that later runs do not send it again."""
        self._computed.add(self.waiting.pop(conversion))

    def save(self) -> None:
        """Write the state; the bookmark is before the first journey that is not settled."""
        unsettled = next((each.converted for each in self.waiting.values()), None)
        if unsettled is None and not self.all_read:
            unsettled = self._read_to  # the next journey may have the same second
        since = self._read_to if unsettled is None else _second_before(unsettled)
        since = min(since, now_text())
        self._computed.save(since)
        if since > START:
            for stream in self._streams:
                stream.advance(since)


def _second_before(text: str) -> str:
    return rfc3339(instant(text) - timedelta(seconds=1)) if text > START else START
