"""The table `_runs`, which has a row for each run and stream with its counts."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from attribution_elt.core.errors import in_a_line
from attribution_elt.core.events import RUNS, event, id_of_run
from attribution_elt.core.redaction import redactor
from attribution_elt.core.text import storable
from target_warehouse.system_tables import SystemTable
from target_warehouse.warehouses.base import Adapter, Merged

_TABLE = SystemTable(
    RUNS,
    "run_id text, stream text, started_at timestamp, finished_at timestamp, load_method text, "
    "records integer, inserted integer, updated integer, unchanged integer, rejected integer, "
    "vanished integer, revived integer, newest timestamp, loaded_at timestamp, complete boolean, "
    "failed_units integer, message text",
)
_LOGGED = (
    *("stream", "records", "inserted", "updated", "unchanged", "rejected"),
    *("vanished", "revived"),
)
_EVENT = "stream_loaded"
Row = dict[str, Any]

logger = logging.getLogger("target-warehouse")


@dataclasses.dataclass
class Tally:
    """Counts of a stream in the present run."""

    records: int = 0
    rejected: int = 0
    vanished: int = 0
    """Rows that were removed or marked because the vendor no longer has them."""
    revived: int = 0
    """Vanished rows that came back."""
    merged: Merged = dataclasses.field(default_factory=lambda: Merged(0, 0))
    newest: datetime | None = None
    """Greatest replication key, if it is a date or an instant."""
    loaded_at: datetime | None = None
    """Time of the last commit."""
    message: str | None = None
    """Why rows of the stream were not loaded or not removed."""

    def in_vain(self) -> Tally:
        """Return the counts of a stream whose loaded rows did not reach its table."""
        return Tally(rejected=self.rejected, message=self.message)

    def row(self) -> Row:
        """Return the columns of `_runs` that the tally fills."""
        inserted, updated = self.merged.inserted, self.merged.updated
        unchanged = None
        if inserted is not None and updated is not None:
            # a record may update every row of its key, in a table that had no key before
            unchanged = max(self.records - self.rejected - inserted - updated, 0)
        row = dataclasses.asdict(self)
        merged = row.pop("merged")
        return {**row, **merged, "unchanged": unchanged}


@dataclasses.dataclass(frozen=True)
class Run:
    """A run of the loader."""

    load_method: str
    started_at: int
    """Start of the run, in milliseconds since 1970."""
    id: str = dataclasses.field(default_factory=id_of_run)

    def log(
        self, tallies: Mapping[str, Tally], *, complete: bool | None, why: Exception | None = None
    ) -> list[Row]:
        """Log the counts of the run, and return them as rows of `_runs`.

        `complete` is whether the tap has finished and all records are committed; None if the tap
        does not report its end. `why` is the error that ended the run, if there is one.
        """
        run = {
            "run_id": self.id,
            "started_at": datetime.fromtimestamp(self.started_at / 1000, UTC),
            "finished_at": datetime.now(UTC),
            "load_method": self.load_method,
            "complete": complete,
        }
        rows = [
            {**run, "stream": storable(stream), **tally.row()} for stream, tally in tallies.items()
        ]
        reason = redactor(in_a_line(why)) if why else None
        for row in rows:
            row["message"] = row["message"] or reason
            logger.info(
                "stream %r: %s records, %s inserted, %s updated, %s unchanged, %s rejected, "
                "%s vanished, %s revived",
                *(row[name] for name in _LOGGED),
                extra=event(_EVENT, **{name: row[name] for name in row if name != "message"}),
            )
        return rows


def write_run(adapter: Adapter, rows: Iterable[Row]) -> None:
    """Append rows to `_runs`; the caller commits."""
    _TABLE.append(adapter, rows)
