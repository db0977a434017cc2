"""Detects accounts without rows although earlier runs had rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from singer_sdk import Stream

HAD_ROWS = "had_rows"
"""Member of a stream's state: the accounts that have had rows of the stream."""


class Accounts:
    """Counts the rows of each account in a run.

    An expired contract or a filter can leave an account without data while every request succeeds.
    """

    def __init__(self) -> None:
        self._rows: defaultdict[str, int] = defaultdict(int)
        self._had_rows: set[str] = set()

    def count(self, account: str, streams: Iterable[Stream], rows: int) -> None:
        """Count the rows of a response, and note in the streams' state that there were some."""
        self._rows[account] += rows
        for stream in streams:
            known = stream.stream_state.get(HAD_ROWS, {})
            if account in known:
                self._had_rows.add(account)
            elif rows:
                stream.stream_state[HAD_ROWS] = {**known, account: True}

    def silent(self) -> Iterator[str]:
        """Yield the accounts that have no row in this run but had rows in an earlier one."""
        yield from (each for each in sorted(self._had_rows) if not self._rows[each])
