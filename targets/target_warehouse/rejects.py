"""The table of rejected records, and the number of rejects in a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from attribution_elt.core.events import REJECTED
from target_warehouse import exact
from target_warehouse.batch import Batch
from target_warehouse.decode import Reject
from target_warehouse.errors import KeysMissingError, RecordsRejectedError
from target_warehouse.system_tables import SystemTable
from target_warehouse.warehouses.base import Adapter
from target_warehouse.warehouses.transaction import transact

_TABLE = SystemTable(REJECTED, "stream text, record text, reason text, rejected_at timestamp")


class Rejects:
    """Writes rejected records and counts them by stream."""

    def __init__(self, adapter: Adapter, *, dry_run: bool = False) -> None:
        self._adapter = adapter
        self._dry_run = dry_run
        self._counts: Counter[str] = Counter()
        self._keyless = False

    def write(
        self,
        stream: str,
        batch: Batch,
        rejects: Sequence[Reject],
        shown: Callable[[str, str], tuple[str, str]],
    ) -> None:
        """Write the rejected records of a batch, as they were sent, and commit.

        `shown` removes data that must not be stored from a record and from the reason.
        """
        self._counts[stream] += len(rejects)
        self._keyless |= any(reject.keyless for reject in rejects)
        if self._dry_run:
            return
        limit, storable = self._adapter.text_limit, self._adapter.storable
        now = datetime.now(UTC)
        texts = [shown(exact.raw_record(batch.line(each.line)), each.reason) for each in rejects]
        rows = [
            {
                "stream": storable(stream),
                "record": storable(record)[:limit],
                "reason": storable(reason),
                "rejected_at": now,
            }
            for record, reason in texts
        ]
        transact(self._adapter, lambda: _TABLE.append(self._adapter, rows))

    def check(self) -> None:
        """Raise RecordsRejectedError if there are any."""
        total = self._counts.total()
        if not total:
            return
        counts = ", ".join(f"{stream} {count}" for stream, count in self._counts.items())
        if self._dry_run:
            raise RecordsRejectedError(f"a load would reject records ({counts})")
        message = (
            f"1 record was rejected ({counts}): the table {REJECTED} has it, with the reason"
            if total == 1
            else f"{total} records were rejected ({counts}): "
            f"the table {REJECTED} has them, with the reasons"
        )
        raise (KeysMissingError if self._keyless else RecordsRejectedError)(message)
