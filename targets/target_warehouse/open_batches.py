"""The batches that are filling, and the rules by which they are loaded."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import accumulate, islice, takewhile

from target_warehouse.batch import Batch
from target_warehouse.decode import NoRecordError, Place
from target_warehouse.messages import Claim
from target_warehouse.state import Checkpoints
from target_warehouse.table_loader import TableLoader

_MAX_AGE = 60  # seconds that a record waits at most for its batch to fill
_MAX_ROWS = 250_000


class OpenBatches:
    """One batch per table, which is passed to `load` when it is full or old.

    When all batches together hold too many bytes, the largest is loaded first.
    """

    def __init__(
        self,
        states: Checkpoints,
        load: Callable[[TableLoader, Batch], None],
        *,
        max_rows: int | None,
        max_bytes: int,
    ) -> None:
        self._states = states
        self._load = load
        self._max_rows = max_rows or _MAX_ROWS
        self._max_bytes = max_bytes
        self._batches: dict[TableLoader, Batch] = {}
        self._size = 0  # bytes in all batches together

    def add(self, table: TableLoader, lines: Sequence[bytes], places: Sequence[Place]) -> None:
        """Add RECORD lines for a table, with their positions in the input."""
        while lines:
            batch = self._opened(table)
            sizes = accumulate(map(len, islice(lines, self._max_rows - batch.rows)))
            left = self._max_bytes - self._size
            room = sum(1 for _ in takewhile(left.__ge__, sizes)) or 1
            before = batch.size
            batch.add(lines[:room], places[:room])
            self._size += batch.size - before
            lines, places = lines[room:], places[room:]
            if batch.rows >= self._max_rows or batch.fault:
                self.flush(table)
            while self._size >= self._max_bytes:
                self.flush(max(self._batches, key=lambda table: self._batches[table].size))

    def claim(self, table: TableLoader, claim: Claim) -> None:
        """Add a claim to a table's open batch; it is swept when that batch is loaded."""
        self._opened(table).claims.append(claim)

    def flush(self, table: TableLoader) -> None:
        """Load the batch of a table, if it has one; raise the error that ended the batch."""
        batch = self._batches.pop(table, None)
        if not batch:
            return
        self._size -= batch.size
        batch.close()
        table.warn()
        self._load(table, batch)
        if batch.fault:
            raise batch.fault

    def flush_due(self) -> None:
        """Load the batches that have waited long enough to fill."""
        now = time.monotonic()
        for table, batch in list(self._batches.items()):
            if now - batch.opened_at >= _MAX_AGE:
                self.flush(table)

    def flush_all(self) -> None:
        """Load all batches; then raise the last error."""
        fault = None
        for table in list(self._batches):
            try:
                self.flush(table)
            except NoRecordError as error:
                fault = error
        if fault:
            raise fault

    def _opened(self, table: TableLoader) -> Batch:
        batch = self._batches.get(table)
        if batch is None:
            batch = self._batches[table] = Batch(table.decoder)
            self._states.batch_opened(batch)
        return batch
