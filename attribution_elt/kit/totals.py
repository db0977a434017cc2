"""Compares the totals that vendors send with the rows that arrived."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from attribution_elt.core.text import counted

MOST_NAMED = 20
"""Maximum number of units of a stream that warnings name."""


class Totals:
    """Warns of each total that differs from the rows; of the first units, for each stream."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._differences: Counter[str] = Counter()

    def compare(
        self, stream: str, unit: str, name: str, total: Any, rows: int, *, or_more: bool = False
    ) -> None:
        """Compare a vendor's count with the rows that arrived; only whole numbers are counts.

        With `or_more`, there may be more rows than the count.
        """
        if isinstance(total, int) and (rows < total or (rows > total and not or_more)):
            self.differ(stream, unit, f"{name} is {total}, but {counted(rows, 'row')} arrived")

    def differ(self, stream: str, unit: str, difference: str) -> None:
        """Warn that a total differs from the rows of a unit."""
        self._differences[stream] += 1
        if self._differences[stream] <= MOST_NAMED:
            self._warn(f"{stream}, {unit}: {difference}")

    def unnamed(self) -> Iterator[str]:
        """Yield a line for each stream of which more units differ than the warnings name."""
        for stream, times in self._differences.items():
            if times > MOST_NAMED:
                more = counted(times - MOST_NAMED, "more total")
                yield f"{stream}: {more} of the vendor differ from the rows that arrived"
