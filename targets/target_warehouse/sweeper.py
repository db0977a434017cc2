"""Removes rows that are inside a tap's claims but were not delivered."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from target_warehouse import exact
from target_warehouse.arrow import ARROW_TYPES
from target_warehouse.batch import Batch
from target_warehouse.claimed_rows import ClaimedRows
from target_warehouse.column_plan import ColumnPlan
from target_warehouse.columns import ColumnType
from target_warehouse.decode import Reject
from target_warehouse.history import History
from target_warehouse.key_spool import KeySpool
from target_warehouse.messages import Claim
from target_warehouse.runs import Tally
from target_warehouse.warehouses.base import Adapter, Claimed, Sweep
from target_warehouse.warehouses.transaction import transact

_FEW_ROWS = 100
"""Number of rows by which a stream's claims may always shrink."""

logger = logging.getLogger("target-warehouse")


class Sweeper:
    """Remembers the keys of a stream that a run delivers, and sweeps the claims of batches.

    Args:
        mode: `remove`, `mark` or `ignore` rows that the vendor no longer has.
        limit: share of the live rows inside a stream's claims by which they may shrink in a run.
    """

    def __init__(
        self,
        plan: ColumnPlan,
        tally: Tally,
        *,
        stream: str,
        adapter: Adapter,
        history: History,
        mode: str,
        limit: float,
        started_at: int,
    ) -> None:
        self.has_old_rows = True
        """Whether the table had rows before this run; if not, none can vanish."""
        self.refusal: str | None = None
        """Why vanished rows were not removed; the state is held from then on."""
        self._stream = stream
        self._adapter = adapter
        self._plan = plan
        self._tally = tally
        self._history = history
        self._key_properties: Sequence[str] = ()
        self._mode = mode
        self._limit = limit
        self._started_at = datetime.fromtimestamp(started_at / 1000, UTC)
        self._scope: Sequence[str] | None = None
        self._stopped: str | None = None
        """Why this run sweeps nothing more."""
        self._spool = KeySpool()
        self._columns: dict[str, bool] | None = None
        """Whether each remembered column is text; None if no row is remembered."""
        self._seen: Claimed = Claimed(0, 0, 0)
        """Counts of the claims that were swept."""
        self._counts: Claimed | None = None
        """Counts of the current sweep."""
        self._inserted: int | None = 0
        self._vanished = 0
        self._has_vanished = False
        self._has_warned = False

    def announce(self, scope: Sequence[str] | None, key_properties: Sequence[str]) -> None:
        """Set the properties that claims may name; None if the stream makes no claims."""
        if self._mode == "ignore" or not key_properties:
            scope = None
        self._scope = scope
        self._key_properties = key_properties
        if scope is not None:  # rows may have vanished in earlier runs
            self._has_vanished = self._marks or transact(self._adapter, self._history.has_rows)

    @property
    def _marks(self) -> bool:
        """Whether vanished rows stay in the table."""
        return self._mode == "mark"

    @property
    def _keeps(self) -> bool:
        """Whether the versions of vanished rows are kept."""
        return self._history.is_on or not self._marks

    def stop(self, reason: str) -> None:
        """Stop sweeping in this run: the set of delivered keys is incomplete."""
        if self._scope is not None and self._stopped is None:
            self._stopped = reason
            logger.warning("stream %r: vanished rows stay: %s", self._stream, reason)

    @property
    def scope(self) -> Sequence[str]:
        """The properties that claims may name."""
        return self._scope or ()

    @property
    def is_active(self) -> bool:
        """Whether delivered keys are remembered."""
        return self._scope is not None and self._stopped is None and self.has_old_rows

    @property
    def takes_claims(self) -> bool:
        """Whether claims of the stream are swept; if not, the reason is logged once."""
        if self._scope is None and self._stopped is None and self._mode != "ignore":
            self._stopped = (
                "the schema does not announce claims, or the stream has no key, is not upserted, "
                "goes through a stream map or has no metadata columns"
            )
            logger.warning("stream %r: vanished rows stay: %s", self._stream, self._stopped)
        return self.is_active and self.refusal is None

    def remember(self, rows: pa.Table) -> None:
        """Remember the keys of rows, and the columns that claims may name."""
        if not self.is_active or not len(rows):
            return
        self._add(rows.select(self._remembered_columns()))

    def remember_rejected(self, batch: Batch, rejects: Sequence[Reject]) -> None:
        """Remember the keys of rejected records: the vendor has them, so their old rows stay."""
        if not self.is_active or not rejects:
            return
        properties = [*self._key_properties, *self._scope_properties()]
        kinds = {name: self._plan.kind(name) for name in properties}
        columns = {name: self._plan.identifiers[name] for name in properties}
        rows = []
        for reject in rejects:
            # A claim on a value that cannot be read has another number of records, so it is left
            # out.
            found = dict(_readable(batch.line(reject.line), kinds))
            if any(found.get(name) is None for name in self._key_properties):
                self.stop("the key of a rejected record cannot be read")
                return
            rows.append({column: found.get(name) for name, column in columns.items()})
        types = [(columns[name], ARROW_TYPES[kind]) for name, kind in kinds.items()]
        self._add(pa.Table.from_pylist(rows, pa.schema(types)))

    def planned(self, claims: Sequence[Claim]) -> Sweep | None:
        """Return the sweep of a batch's claims, unless it is unsafe."""
        if not claims or not self.takes_claims or not self._has_same_columns():
            return None
        claimed = self._claimed(claims)
        if claimed is None:
            return None
        return Sweep(
            table=self._plan.table,
            keys=self._plan.keys,
            columns=self._plan.columns,
            claims=claimed.groups(),
            delivered=lambda: claimed.keys_inside(self._spool),
            started_at=self._started_at,
            swept_at=datetime.now(UTC),
            history=self._history.table if self._keeps else None,
            marks=self._marks,
        )

    def _claimed(self, claims: Sequence[Claim]) -> ClaimedRows | None:
        """Return the claims that the delivered records confirm."""
        claimed = ClaimedRows(claims, self._plan, self._scope or ())
        try:
            claimed.drop_miscounted(self._spool)
        except OSError as error:
            self.stop(f"the delivered keys cannot be read: {error}")
            return None
        if claimed.problems and not self._has_warned:
            self._has_warned = True
            logger.warning(
                "stream %r: vanished rows stay where a claim is unclear: %s",
                self._stream,
                claimed.problems[0],
            )
        return claimed if claimed.groups() else None

    def sweep(self, sweep: Sweep, inserted: int | None) -> None:
        """Run a sweep; the caller commits and then calls `committed`.

        `inserted` is the number of rows that the run has inserted, if the warehouse counts them.
        """
        self._counts, self._inserted = None, inserted
        self._vanished = self._adapter.sweep(sweep, self._permit)

    def committed(self) -> None:
        """Add the counts of the last sweep."""
        if self._counts is None:
            return
        counts, seen = self._counts, self._seen
        self._counts = None
        if self._is_too_much(counts):
            before, fall = self._shrinking(counts)
            self.refusal = (
                f"{fall:,} of {before:,} rows would be removed because the vendor no longer "
                f"delivers them, which is more than vanish_limit ({self._limit:g}) allows; "
                "nothing was removed, and the state is held. If these rows are really gone, run "
                "once with TARGET_WAREHOUSE_VANISH_LIMIT=1"
            )
            self._tally.message = self.refusal
            logger.error("stream %r: %s", self._stream, self.refusal)
            return
        self._seen = Claimed(
            seen.live + counts.live, seen.written + counts.written, seen.vanished + counts.vanished
        )
        self._tally.vanished += self._vanished
        self._has_vanished |= bool(self._vanished)

    def count_revived(self) -> int:
        """Return how many staged rows bring back vanished ones; call it between stage and merge."""
        if not self._has_vanished or self._scope is None:
            return 0
        history = None if self._marks else self._history.table
        return self._adapter.revived(self._plan.table, history, self._plan.keys) or 0

    @property
    def needs_merge(self) -> bool:
        """Whether rows may bring vanished ones back, which only a merge counts."""
        return self._scope is not None and self._has_vanished

    def close(self) -> None:
        """Remove the remembered keys."""
        self._spool.close()

    def _permit(self, counts: Claimed) -> bool:
        self._counts = counts
        if self._is_too_much(counts):
            return False
        if counts.vanished and self._keeps:
            self._history.ensure()
        return True

    def _is_too_much(self, counts: Claimed) -> bool:
        before, fall = self._shrinking(counts)
        return counts.vanished > 0 and fall > _FEW_ROWS and fall > self._limit * before

    def _shrinking(self, counts: Claimed) -> tuple[int, int]:
        """Return the live rows inside all claims of the run before it, and how many are lost.

        Rows that the run has inserted inside the claims compensate for vanished ones, because
        recomputed rows have new keys. At most as many count as were written there.
        """
        seen = self._seen
        written = seen.written + counts.written
        new = written if self._inserted is None else min(written, self._inserted)
        return seen.live + counts.live - new, seen.vanished + counts.vanished - new

    def _has_same_columns(self) -> bool:
        """Return whether remembered rows still equal those of the table; if not, stop.

        A column that becomes text gets texts that differ from those sent, such as 2.5 for 2.50.
        """
        columns = {
            name: self._plan.columns[name].kind is ColumnType.TEXT
            for name in self._remembered_columns()
        }
        if self._columns not in (None, columns):
            self.stop("a column of the key or of the claims has changed in this run")
            return False
        self._columns = columns
        return True

    def _add(self, keys: pa.Table) -> None:
        if not self._has_same_columns():
            return
        try:
            self._spool.add(keys)
        except OSError as error:
            self.stop(f"the delivered keys cannot be kept: {error}")

    def _scope_properties(self) -> list[str]:
        known = self._plan.identifiers
        return [n for n in self._scope or () if n in known and n not in self._key_properties]

    def _remembered_columns(self) -> list[str]:
        scope = (self._plan.identifiers[name] for name in self._scope_properties())
        return list(dict.fromkeys([*self._plan.keys, *scope]))


def _readable(line: bytes, kinds: Mapping[str, ColumnType]) -> Iterator[tuple[str, Any]]:
    """Yield the values of a rejected record that its columns can hold."""
    try:
        record, _ = exact.parse_record(line)
    except (ValueError, TypeError, RecursionError):
        return
    for name, kind in kinds.items():
        with contextlib.suppress(ValueError, RecursionError, exact.TooNarrow):
            yield name, exact.convert(kind, bytes(record.record.get(name, b"null")))
