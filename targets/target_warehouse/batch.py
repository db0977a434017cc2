"""The records of a stream that are loaded together."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime

import pyarrow as pa

from target_warehouse.columns import ColumnType
from target_warehouse.decode import Decoder, NoRecordError, Place, Reject
from target_warehouse.messages import Claim

_SLICE = 500  # decoding this many at once holds the interpreter briefly and takes little memory


class Batch:
    """Records that are decoded as they arrive, and their lines."""

    def __init__(self, decoder: Decoder) -> None:
        self.size = 0
        """Size in bytes of input."""
        self.rows = 0
        """Number of lines, including those of rejected records."""
        self.opened_at = time.monotonic()
        self.received_at = datetime.now(UTC)
        self.claims: list[Claim] = []
        """Claims that are valid when this batch and those before it are loaded."""
        self.tables: list[pa.Table] = []
        self.rejects: list[Reject] = []
        self.kinds: dict[str, ColumnType] = {}
        """Kind of each property; set when the batch is closed."""
        self.fault: NoRecordError | None = None
        """Error of a line that is not a record; later lines were not taken."""
        self._decoder = decoder
        self._lines: list[bytes] = []
        self._places: list[Place] = []
        self._decoded: list[bytes] = []

    def add(self, lines: Sequence[bytes], places: Sequence[Place]) -> None:
        """Add RECORD lines, with their positions in the input; lines after a fault are ignored."""
        if self.fault:
            return
        self._lines += lines
        self._places += places
        self.rows += len(lines)
        self.size += sum(map(len, lines))
        while len(self._lines) >= _SLICE:
            self._decode()

    def close(self) -> None:
        """Decode the remaining lines."""
        while self._lines:
            self._decode()
        self.kinds = self._decoder.kinds.copy()

    def line(self, place: int) -> bytes:
        """Return the line of a record by its index in the batch."""
        return self._decoded[place]

    def _decode(self) -> None:
        lines, self._lines = self._lines[:_SLICE], self._lines[_SLICE:]
        places, self._places = self._places[:_SLICE], self._places[_SLICE:]
        start = len(self._decoded)
        try:
            table, rejects = self._decoder.decode(lines, places, start)
        except NoRecordError as fault:
            self._cut(start, lines[: fault.index], places)
            self.fault = fault
            return
        self.tables.append(table)
        self.rejects += rejects
        self._decoded += lines

    def _cut(self, start: int, good: list[bytes], places: list[Place]) -> None:
        """Keep the lines before the one that is not a record."""
        self._lines, self._places, self.rows = good, places[: len(good)], start + len(good)
        if good:
            self._decode()
