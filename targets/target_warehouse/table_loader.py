"""One stream's table: what it has to look like, and how a batch gets into it."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from attribution_elt.core.events import REJECTED
from target_warehouse import exact, names
from target_warehouse.batch import Batch
from target_warehouse.columns import Column, ColumnType
from target_warehouse.decode import (
    EXTRACTED,
    LINE,
    VERSION,
    Decoder,
    Reject,
    are_held,
    conformed,
    decimal_size,
    joined,
)
from target_warehouse.runs import Tally
from target_warehouse.transaction import transact
from target_warehouse.warehouses.base import Adapter, Merged

_REJECTED_COLUMNS = {
    "stream": Column(ColumnType.TEXT),
    "record": Column(ColumnType.TEXT),
    "reason": Column(ColumnType.TEXT),
    "rejected_at": Column(ColumnType.TIMESTAMP),
}
_VERSION = "_sdc_table_version"
_METADATA = {
    "_sdc_extracted_at": ColumnType.TIMESTAMP,
    "_sdc_received_at": ColumnType.TIMESTAMP,
    "_sdc_batched_at": ColumnType.TIMESTAMP,
    "_sdc_sequence": ColumnType.INTEGER,
    _VERSION: ColumnType.INTEGER,
    "_sdc_sync_started_at": ColumnType.INTEGER,
}
_DELETED_AT = "_sdc_deleted_at"  # metadata too, but the tap's to fill
_MONEY_SCALE = 2  # of a decimal column that has no values yet

logger = logging.getLogger("target-warehouse")


@dataclasses.dataclass(frozen=True)
class Options:
    """How tables are loaded."""

    load_method: str
    add_metadata: bool
    started_at: int
    """Start of the run, in milliseconds since 1970."""


class TableLoader:
    """Brings the records of a stream into its table."""

    def __init__(self, stream: str, table: str, adapter: Adapter, options: Options) -> None:
        self.stream = stream
        self.table = table
        self._adapter = adapter
        self._options = options
        self._metadata = _METADATA if options.add_metadata else {}
        self._keys: tuple[str, ...] = ()
        self._columns: dict[str, Column] = {}
        """As the warehouse has them."""
        self._identifiers: dict[str, str] = {}
        """Of properties."""
        self._said: set[str] = set()
        self.tally = Tally()
        self.decoder: Decoder
        self._append: bool

    def apply_schema(self, kinds: Mapping[str, ColumnType], keys: Sequence[str]) -> None:
        """Make the table fit for properties of these kinds, keyed by `keys`."""
        kinds = {name: kind for name, kind in kinds.items() if name not in self._metadata}
        if self._metadata or not kinds:  # not every warehouse makes tables without columns
            kinds.setdefault(_DELETED_AT, ColumnType.TIMESTAMP)
        self._keys = tuple(keys) if self._options.load_method != "append-only" else ()
        transact(self._adapter, lambda: self._prepare(kinds))
        held = {name: self._columns[self._identifiers[name]].kind for name in kinds}
        self.decoder = Decoder(
            {name: _decoded_as(kind, held[name]) for name, kind in kinds.items()},
            lenient={name for name in kinds if held[name] is ColumnType.TEXT},
            hint=self._hint,
            ignored=self._metadata,
        )

    def load(self, batch: Batch) -> list[Reject]:
        """Load a batch and commit it. What is refused of it goes to the table of rejects."""
        table = joined(batch.tables, batch.kinds)
        wanted = self._wanted(batch.kinds)
        rows, keyless = self._with_keys(self._renamed(table, batch))
        rows = conformed(rows, {name: column.kind for name, column in wanted.items()})
        wanted = self._sized(wanted, rows)
        if any(self._columns.get(name) != column for name, column in wanted.items()):
            transact(self._adapter, lambda: self._ensure(wanted))
        rows = conformed(rows, {name: self._columns[name].kind for name in wanted})
        rejects = [*batch.rejects, *keyless, *self._write(self._latest(rows))]
        if rejects:
            self._keep(rejects, batch)
        self._count(batch, table, rejects)
        return rejects

    def replace(self, table: str) -> None:
        """Put what was loaded in the place of what `table` holds; the commit is the caller's."""
        keys = [self._identifiers[key] for key in self._keys]
        self._adapter.ensure(table, self._columns, keys)
        self._adapter.replace(table, self.table)

    def remove_versions_before(self, version: int) -> None:
        """Remove the rows of older versions, and those that are of none."""
        if _VERSION not in self._metadata:
            logger.warning(
                "stream %r: rows of old versions stay, for without add_record_metadata "
                "they cannot be told",
                self.stream,
            )
            return
        transact(self._adapter, lambda: self._adapter.remove(self.table, _VERSION, version))

    def _wanted(self, kinds: Mapping[str, ColumnType]) -> dict[str, Column]:
        """Return the columns that hold properties of these kinds and what they hold already."""
        self._identifiers = self._fitted(kinds)
        columns = {self._identifiers[name]: kind for name, kind in kinds.items()}
        return {
            name: self._columns[name].widened(kind) if name in self._columns else self._new(kind)
            for name, kind in {**columns, **self._metadata}.items()
        }

    def _hint(self, name: str) -> ColumnType | None:
        """Return the kind of the column that a property without a schema has already."""
        column = self._columns.get(self._fitted([name])[name])
        return column.kind if column else None

    def _fitted(self, properties: Collection[str]) -> dict[str, str]:
        """Map properties to the names of their columns."""
        return names.assign_identifiers(
            properties,
            self._adapter.dialect,
            existing=self._columns,
            reserved=[*self._metadata, *self._adapter.dialect.reserved_columns],
        )

    def _new(self, kind: ColumnType) -> Column:
        limit = self._adapter.decimal_digits
        if kind is not ColumnType.NUMBER or limit is None:
            return Column(kind)
        return Column(kind).sized(0, _MONEY_SCALE, limit, self._adapter.decimal_step)

    def _sized(self, wanted: Mapping[str, Column], rows: pa.Table) -> dict[str, Column]:
        """Give decimals the digits that their values need, where the warehouse bounds them."""
        return {
            name: self._holding(column, rows[name]) if column.kind is ColumnType.NUMBER else column
            for name, column in wanted.items()
        }

    def _holding(self, column: Column, numbers: pa.ChunkedArray) -> Column:
        if not self._adapter.represents_exactly(numbers):
            return column.widened(ColumnType.TEXT)
        limit = self._adapter.decimal_digits
        if limit is None or are_held(numbers, limit, column.scale):
            return column
        return column.sized(*decimal_size(numbers), limit, self._adapter.decimal_step)

    def _prepare(self, kinds: Mapping[str, ColumnType]) -> None:
        self._columns = self._adapter.columns(self.table)
        self._ensure(self._wanted(kinds))
        # Into an empty table rows go without a merge, until a key turns out to be there already.
        self._append = not self._keys or self._adapter.is_empty(self.table)

    def _ensure(self, wanted: Mapping[str, Column]) -> None:
        keys = [self._identifiers[key] for key in self._keys]
        self._columns = self._adapter.ensure(self.table, wanted, keys)

    def _renamed(self, table: pa.Table, batch: Batch) -> pa.Table:
        """Return the decoded table under the warehouse's names, with metadata."""
        rows = pa.table({self._identifiers[name]: table[name] for name in batch.kinds})
        if self._metadata:
            received = pa.scalar(batch.received_at, table[EXTRACTED].type)
            values = {
                "_sdc_extracted_at": pc.coalesce(table[EXTRACTED], received),
                "_sdc_received_at": received,
                "_sdc_batched_at": pa.scalar(datetime.now(UTC), table[EXTRACTED].type),
                "_sdc_sequence": pa.scalar(round(batch.received_at.timestamp() * 1000)),
                _VERSION: table[VERSION],
                "_sdc_sync_started_at": pa.scalar(self._options.started_at),
            }
            for name, value in values.items():
                column = pa.repeat(value, len(table)) if isinstance(value, pa.Scalar) else value
                rows = rows.append_column(name, column)
        return rows.append_column(LINE, table[LINE])

    def _with_keys(self, rows: pa.Table) -> tuple[pa.Table, list[Reject]]:
        """Part the rows that have all their keys from those that do not."""
        rejects = []
        for key in self._keys:
            column = rows[self._identifiers[key]]
            if column.null_count:
                missing = pc.is_null(column)
                reason = f"the key property {key!r} is missing or null"
                lines = rows.filter(missing)[LINE].to_pylist()
                rejects += [Reject(line, reason, keyless=True) for line in lines]
                rows = rows.filter(pc.invert(missing))
        return rows, rejects

    def _latest(self, rows: pa.Table) -> pa.Table:
        """Return the last row of each key."""
        if not self._keys:
            return rows
        names = [self._identifiers[key] for key in self._keys]
        if any(self._columns[name].kind is ColumnType.NUMBER for name in names):
            last = _last_by_value(rows, names, self._columns)
        else:
            # Some names would be taken for paths.
            keys = {f"key{index}": rows[name] for index, name in enumerate(names)}
            groups = pa.table(keys | {"line": rows[LINE]}).group_by(list(keys), use_threads=False)
            last = groups.aggregate([("line", "max")])["line_max"]
        if len(last) == len(rows):
            return rows
        return rows.filter(pc.is_in(rows[LINE], last))

    def _write(self, rows: pa.Table) -> list[Reject]:
        """Write rows and commit. Those that the warehouse refuses are found by halving."""
        adapter = self._adapter
        if not len(rows):
            return []
        try:
            bare = rows.drop_columns([LINE])
            self.tally.merged += transact(adapter, lambda: self._put(bare), once=not self._keys)
        except adapter.data_errors as error:
            if self._append and self._keys:
                self._append = False
                return self._write(rows)
            if len(rows) == 1:
                return [Reject(rows[LINE][0].as_py(), adapter.explain(error))]
            half = len(rows) // 2
            return [*self._write(rows.slice(0, half)), *self._write(rows.slice(half))]
        else:
            self._append = not self._keys or (self._append and adapter.enforces_keys)
            return []

    def _put(self, rows: pa.Table) -> Merged:
        columns = {name: self._columns[name] for name in rows.column_names}
        if self._append:
            self._adapter.append(self.table, rows, columns)
            return Merged(len(rows), 0)
        self._adapter.stage(self.table, rows, columns)
        return self._adapter.merge(
            self.table, columns, [self._identifiers[key] for key in self._keys]
        )

    def _count(self, batch: Batch, rows: pa.Table, rejects: Sequence[Reject]) -> None:
        extracted = pc.max(rows[EXTRACTED]).as_py() or batch.received_at
        self.tally.records += batch.rows
        self.tally.rejected += len(rejects)
        self.tally.newest = max(self.tally.newest or extracted, extracted)

    def _keep(self, rejects: Sequence[Reject], batch: Batch) -> None:
        limit = self._adapter.text_limit
        records = [exact.raw_record(batch.line(reject.line))[:limit] for reject in rejects]
        rows = {
            "stream": pa.repeat(self.stream, len(rejects)),
            "record": pa.array(records, pa.string()),
            "reason": pa.array([reject.reason for reject in rejects], pa.string()),
            "rejected_at": pa.repeat(datetime.now(UTC), len(rejects)),
        }

        def keep() -> None:
            columns = self._adapter.ensure(REJECTED, _REJECTED_COLUMNS, ())
            self._adapter.append(REJECTED, pa.table(rows), {name: columns[name] for name in rows})

        transact(self._adapter, keep, once=True)

    def warn(self) -> None:
        """Say once what is done to the data that the schema did not ask for."""
        decoder = self.decoder
        texts = [
            f"stream {self.stream!r}: property {name!r} is not in the schema; "
            f"it gets a column of kind {decoder.kinds[name]}"
            for name in sorted(decoder.unannounced)
        ]
        if decoder.repaired:
            texts.append(
                f"stream {self.stream!r}: characters that cannot be stored "
                "(NUL, lone surrogates, bytes that are not UTF-8) were left out or replaced"
            )
        for text in texts:
            if text not in self._said:
                logger.warning(text)
                self._said.add(text)


def _last_by_value(rows: pa.Table, names: Sequence[str], columns: Mapping[str, Column]) -> pa.Array:
    """Return the line of the last row of each key, where 1 and 1.0 are one key."""
    values = [
        map(Decimal, rows[name].to_pylist())
        if columns[name].kind is ColumnType.NUMBER
        else rows[name].to_pylist()
        for name in names
    ]
    last = dict(zip(zip(*values, strict=True), rows[LINE].to_pylist(), strict=True))
    return pa.array(last.values(), pa.int64())


def _decoded_as(kind: ColumnType, held: ColumnType) -> ColumnType:
    """Return the kind to decode a property as, for a column that may hold more."""
    numeric = {ColumnType.BOOLEAN, ColumnType.INTEGER, ColumnType.NUMBER}
    return kind if held is ColumnType.TEXT and kind in numeric else held
