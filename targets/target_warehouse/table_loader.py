"""Loads one stream into its table: applies schemas, and loads batches."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from attribution_elt.core.people import Personal
from target_warehouse import masking
from target_warehouse.arrow import INSTANT, joined
from target_warehouse.batch import Batch
from target_warehouse.column_plan import ColumnPlan, decoded_as
from target_warehouse.columns import ColumnType
from target_warehouse.decode import EXTRACTED, LINE, VERSION, Decoder, Reject
from target_warehouse.history import History
from target_warehouse.rejects import Rejects
from target_warehouse.runs import Tally
from target_warehouse.suppressed import Suppressed, renamed
from target_warehouse.sweeper import Sweeper
from target_warehouse.table_names import TableNames
from target_warehouse.table_writer import TableWriter
from target_warehouse.verification import Verifier
from target_warehouse.warehouses.base import Adapter, Sweep, WarehouseError
from target_warehouse.warehouses.history import DELETED_AT
from target_warehouse.warehouses.transaction import transact

_VERSION = "_sdc_table_version"
_METADATA = {
    "_sdc_extracted_at": ColumnType.TIMESTAMP,
    "_sdc_received_at": ColumnType.TIMESTAMP,
    "_sdc_batched_at": ColumnType.TIMESTAMP,
    "_sdc_sequence": ColumnType.INTEGER,
    _VERSION: ColumnType.INTEGER,
    "_sdc_sync_started_at": ColumnType.INTEGER,
}
_MOST_WARNINGS = 20
"""Maximum number of warnings about properties: if ids are names, there can be thousands."""

logger = logging.getLogger("target-warehouse")


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of the load, the same for all tables."""

    load_method: str
    add_metadata: bool
    started_at: int
    """Start of the run, in milliseconds since 1970."""
    vanished: str
    """Treatment of rows that the vendor no longer has: `remove`, `mark` or `ignore`."""
    vanish_limit: float
    history: Sequence[str]
    """Streams whose old versions are kept; `*` stands for all."""
    dry_run: bool
    """Whether rows are compared with the tables instead of loaded."""
    pii_key: str | None
    """Key of the pseudonyms of people who are left out."""
    batch_size_rows: int | None
    batch_max_bytes: int | None


class TableLoader:
    """Loads the batches of a stream into its table."""

    def __init__(
        self,
        stream: str,
        table: str,
        adapter: Adapter,
        *,
        names: TableNames,
        rejects: Rejects,
        options: Options,
        suppressed: Suppressed | None = None,
    ) -> None:
        self.stream = stream
        self.tally = Tally()
        self.decoder: Decoder
        self.failure: str | None = None
        """Why nothing more is loaded into the table."""
        self.versions: set[int | None] = set()
        """Versions of this run's records; None for records without one."""
        self._adapter = adapter
        self._rejects = rejects
        self._suppressed = suppressed
        self._personal = Personal()
        self._options = options
        self._metadata = _METADATA if options.add_metadata else {}
        self._plan = ColumnPlan(table, adapter, self._metadata, dry_run=options.dry_run)
        self._history = History(adapter, self._plan, names)
        self.sweeper = Sweeper(
            self._plan,
            self.tally,
            stream=stream,
            adapter=adapter,
            history=self._history,
            mode=options.vanished,
            limit=options.vanish_limit,
            started_at=options.started_at,
        )
        self.verifier = Verifier(adapter, self._plan, self.sweeper) if options.dry_run else None
        self._writer = self.verifier or TableWriter(
            adapter, self._plan, self.tally, self.sweeper, self._history
        )
        self._key_properties: tuple[str, ...] = ()
        self._bookmark: str | None = None
        self._warned: set[str] = set()
        self._descriptions: Mapping[str, str] = {}

    @property
    def appends(self) -> bool:
        """Whether a record that arrives twice is stored twice."""
        return not self._key_properties

    def apply_schema(
        self,
        kinds: Mapping[str, ColumnType | None],
        keys: Sequence[str],
        *,
        scope: Sequence[str] | None,
        bookmark: str | None,
        volatile: Sequence[str],
        descriptions: Mapping[str, str],
        personal: Personal,
    ) -> None:
        """Create the table or adapt it to properties of these kinds, with the key `keys`.

        `scope` has the properties that claims may name; it is None if vanished rows stay.
        """
        for key in keys:
            if key in self._metadata:
                raise WarehouseError(
                    f"the key property {key!r} has the name of a column that the loader fills: "
                    "set add_record_metadata to false, or rename the property"
                )
        self._personal = personal
        previous = self._key_properties
        kinds = {name: kind for name, kind in kinds.items() if name not in self._metadata}
        if self._metadata or not kinds:  # some warehouses cannot create a table without columns
            kinds.setdefault(DELETED_AT, ColumnType.TIMESTAMP)  # metadata, but filled by the tap
        self._key_properties = () if self._options.load_method == "append-only" else tuple(keys)
        self._bookmark = bookmark if bookmark in kinds else None
        if self.verifier:
            self.verifier.comparison.volatile = volatile

        def prepare() -> None:
            self._keep_history()
            self._plan.prepare(kinds, self._key_properties)
            if personal.setting and not self._options.dry_run:
                self._follow(personal)
            self._writer.prepare()

        transact(self._adapter, prepare)
        self._descriptions = descriptions
        if not self.verifier and self._options.load_method != "overwrite":
            self.describe(self._plan.table)
        if previous and previous != self._key_properties:
            self.sweeper.stop("the key has changed in this run")
        self.sweeper.announce(scope if self._metadata else None, self._key_properties)
        held = {name: self._plan.kind(name) for name in kinds}
        self.decoder = Decoder(
            {name: decoded_as(kind, held[name]) for name, kind in kinds.items()},
            lenient={n for n, kind in kinds.items() if not kind or held[n] is ColumnType.TEXT},
            hint=self._plan.hint,
            ignored=[*_METADATA, DELETED_AT],
        )

    def describe(self, table: str) -> None:
        """Set the comments of columns in `table` to the descriptions of their properties."""
        adapter, identifiers = self._adapter, self._plan.identifiers
        comments = {
            identifiers[name]: adapter.storable(text)
            for name, text in self._descriptions.items()
            if name in identifiers
        }
        if not comments:
            return
        try:
            transact(adapter, lambda: adapter.comment(table, comments))
        except adapter.errors as error:  # such as of a role that does not own the table
            logger.warning(
                "stream %r: the columns get no comments: %s", self.stream, adapter.explain(error)
            )

    def _follow(self, personal: Personal) -> None:
        """Erase values that earlier loads have masked in another way; the caller commits."""
        tables = [self._plan.table, self._history.table]
        masking.follow(
            self._adapter,
            self.stream,
            [table for table in tables if self._adapter.columns(table)],
            renamed(personal, self._plan.identifiers),
            personal.setting,
        )

    def _keep_history(self) -> None:
        """Keep old versions of changed rows, if the setting names the stream."""
        named = {self.stream, "*"} & {*self._options.history}
        is_upsert = self._options.load_method == "upsert" and self._adapter.keeps_history
        if not named or not (is_upsert and self._metadata and self._key_properties):
            if named and "*" not in named:
                logger.warning(
                    "stream %r: no history is kept: it needs a key, add_record_metadata, and a "
                    "load method and warehouse that support it",
                    self.stream,
                )
            return
        self._history.is_on = True
        self._plan.on_change = self._history.ensure_with_view

    def load(self, batch: Batch) -> None:
        """Load a batch, sweep its claims and commit; refused records go to the table of rejects."""
        if not batch.rows:
            self._writer.write(pa.table({}), self._sweep(batch))
            return
        decoded = joined(batch.tables, batch.kinds)
        rows = self._with_metadata(self._plan.rename(decoded, batch.kinds), decoded, batch)
        rows, keyless = self._with_keys(rows)
        rows = self._plan.fit(rows, batch.kinds)
        if keyless:
            self.sweeper.stop("a record came without its key")
        self.sweeper.remember_rejected(batch, batch.rejects)
        self.sweeper.remember(rows)
        if self._suppressed:
            personal = renamed(self._personal, self._plan.identifiers)
            rows = self._suppressed.without_people(rows, personal, self._plan.columns)
        written = self._writer.write(rows, self._sweep(batch))
        rejects = [*batch.rejects, *keyless, *written]
        if rejects:
            self._rejects.write(self.stream, batch, rejects, self._storable)
        self._count(batch, decoded, rejects)

    def _sweep(self, batch: Batch) -> Sweep | None:
        sweep = self.sweeper.planned(batch.claims)
        if sweep and self._suppressed:
            return self._suppressed.without_claims(sweep)
        return sweep

    def replace(self, table: str) -> None:
        """Replace the rows of `table` by the loaded ones; the caller commits."""
        self._adapter.ensure(table, self._plan.columns, self._plan.keys)
        self._adapter.replace(table, self._plan.table)

    def remove_versions_before(self, version: int) -> None:
        """Remove the rows of older versions, and rows without a version."""
        if _VERSION not in self._metadata:
            logger.warning(
                "stream %r: rows of old versions stay, because without add_record_metadata "
                "rows have no version",
                self.stream,
            )
            return
        kept = (self._history.table, datetime.now(UTC)) if self._history.is_on else None
        transact(
            self._adapter, lambda: self._adapter.remove(self._plan.table, _VERSION, version, kept)
        )

    def warn(self) -> None:
        """Log once how data that the schema does not describe is stored."""
        decoder = self.decoder
        unannounced = sorted(decoder.unannounced)
        texts = [
            f"stream {self.stream!r}: property {name!r} is not in the schema; "
            f"it gets a column of kind {decoder.kinds[name]}"
            for name in unannounced[:_MOST_WARNINGS]
        ]
        if len(unannounced) > _MOST_WARNINGS:
            texts.append(
                f"stream {self.stream!r}: more than {_MOST_WARNINGS} properties are not in the "
                "schema; each gets a column"
            )
        if decoder.has_odd_times:
            texts.append(
                f"stream {self.stream!r}: some values of time_extracted are not valid; "
                "_sdc_extracted_at is the time of arrival instead"
            )
        if decoder.repaired:
            texts.append(
                f"stream {self.stream!r}: characters that cannot be stored "
                "(NUL, lone surrogates, bytes that are not UTF-8) were left out or replaced"
            )
        for text in texts:
            if text not in self._warned:
                logger.warning(text)
                self._warned.add(text)

    def _with_metadata(self, rows: pa.Table, decoded: pa.Table, batch: Batch) -> pa.Table:
        """Return the rows with the metadata columns and each record's index in the batch."""
        if self._metadata:
            received = pa.scalar(batch.received_at, decoded[EXTRACTED].type)
            values = {
                "_sdc_extracted_at": pc.coalesce(decoded[EXTRACTED], received),
                "_sdc_received_at": received,
                "_sdc_batched_at": pa.scalar(datetime.now(UTC), decoded[EXTRACTED].type),
                "_sdc_sequence": pa.scalar(round(batch.received_at.timestamp() * 1000)),
                _VERSION: decoded[VERSION],
                "_sdc_sync_started_at": pa.scalar(self._options.started_at),
            }
            for name, value in values.items():
                column = pa.repeat(value, len(rows)) if isinstance(value, pa.Scalar) else value
                rows = rows.append_column(name, column)
        return rows.append_column(LINE, decoded[LINE])

    def _with_keys(self, rows: pa.Table) -> tuple[pa.Table, list[Reject]]:
        """Separate rows that have all their keys from rows that do not."""
        rejects = []
        for key in self._key_properties:
            column = rows[self._plan.identifiers[key]]
            if column.null_count:
                missing = pc.is_null(column)
                reason = f"the key property {key!r} is missing or null"
                lines = rows.filter(missing)[LINE].to_pylist()
                rejects += [Reject(line, reason, keyless=True) for line in lines]
                rows = rows.filter(pc.invert(missing))
        return rows, rejects

    def _storable(self, record: str, reason: str) -> tuple[str, str]:
        """Return a rejected record and the reason without people who are left out."""
        if not self._suppressed:
            return record, reason
        left = self._personal.erased_text(record, self._suppressed)
        return left or "null", self._suppressed.cut(reason)

    def _count(self, batch: Batch, rows: pa.Table, rejects: Sequence[Reject]) -> None:
        self.versions.update(pc.unique(rows[VERSION]).to_pylist())
        self.tally.records += batch.rows
        self.tally.rejected += len(rejects)
        self.tally.loaded_at = datetime.now(UTC)
        if self._bookmark is None or not len(rows):
            return
        values = rows[self._bookmark]
        if pa.types.is_date(values.type):
            values = values.cast(pa.timestamp("us")).cast(INSTANT)
        if values.type == INSTANT and (newest := pc.max(values).as_py()):
            self.tally.newest = max(self.tally.newest or newest, newest)
