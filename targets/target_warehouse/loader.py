"""Gathers what the reader hands over, a batch a stream, and has it loaded in good time."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
from singer_sdk.exceptions import MapExpressionError, MissingKeyPropertiesError
from singer_sdk.mapper import PluginMapper, RemoveRecordTransform, SameRecordTransform, StreamMap

from attribution_elt.core.events import REJECTED, RUNS
from target_warehouse import exact, names, runs
from target_warehouse.batch import Batch
from target_warehouse.columns import ColumnType, kinds_of
from target_warehouse.decode import NoRecordError, Place
from target_warehouse.errors import InvalidSchemaError
from target_warehouse.state import Checkpoints
from target_warehouse.table_loader import Options, TableLoader
from target_warehouse.transaction import transact
from target_warehouse.warehouses.base import Adapter
from target_warehouse.worker import Worker

_MAX_AGE = 60  # seconds that a record waits for its batch to fill
_ROWS = 250_000

logger = logging.getLogger("target-warehouse")


class LoadError(Exception):
    """The load ends here; the message is for the user."""


class RecordsRejectedError(Exception):
    """The load is complete, but for records that are in the table of rejects."""


class KeysMissingError(RecordsRejectedError, MissingKeyPropertiesError):
    """Among the rejected records are some without their key."""


@dataclasses.dataclass
class _Stream:
    """Where the records of a stream go: to one sink, or as its stream maps say to any number."""

    schema: dict[str, Any]
    keys: Sequence[str]
    routes: list[tuple[StreamMap | None, TableLoader]]
    version: int | None = None
    """Which the tap has activated."""
    is_whole: bool = False
    """Whether that version's last record has come, as far as the tap has told."""
    has_records: bool = False


class Loader:
    """Loads a Singer stream into a warehouse."""

    def __init__(
        self,
        adapter: Adapter,
        mapper: PluginMapper,
        *,
        load_method: str,
        add_record_metadata: bool,
        batch_size_rows: int | None,
        batch_max_bytes: int | None,
        started_at: int,
    ) -> None:
        self._adapter = adapter
        self._mapper = mapper
        self._options = Options(
            load_method=load_method,
            add_metadata=add_record_metadata,
            started_at=started_at,
        )
        self._overwrite = load_method == "overwrite"
        self._max_rows = batch_size_rows or _ROWS
        self._max_bytes = batch_max_bytes or adapter.batch_bytes
        self._streams: dict[str, _Stream] = {}
        self._sinks: dict[str, TableLoader] = {}
        self._tables: dict[str, str] = {}
        """Of streams, and of those that are loaded aside: no two have the same."""
        self._batches: dict[TableLoader, Batch] = {}
        self._size = 0  # of all batches, in bytes
        self._states = Checkpoints()
        if self._overwrite:  # that is committed as a whole, at the end
            self._states.batch_opened(self)
        self._worker = Worker()
        self._rejected: Counter[str] = Counter()
        self._keyless = False

    def schema(self, name: str, schema: dict[str, Any], keys: Sequence[str]) -> None:
        """Take in a SCHEMA message. One that says nothing new does nothing."""
        known = self._streams.get(name)
        if known and (known.schema, known.keys) == (schema, keys):
            return
        try:
            self._mapper.register_raw_stream_schema(name, schema, keys)
        except (AttributeError, KeyError, TypeError) as error:  # of an odd one
            raise InvalidSchemaError(str(error)) from error
        routes = [
            (None if _is_plain(stream_map) else stream_map, self._sink(stream_map))
            for stream_map in self._mapper.stream_maps[name]
            if not isinstance(stream_map, RemoveRecordTransform)
        ]
        self._streams[name] = _Stream(copy.deepcopy(schema), keys, routes)
        if known:
            self._streams[name].version = known.version
            self._streams[name].has_records = known.has_records

    def records(self, name: str, lines: Sequence[bytes], places: Sequence[Place]) -> None:
        """Take in RECORD lines of a stream, with their places in the input."""
        stream = self._streams[name]
        stream.has_records, stream.is_whole = True, False
        for stream_map, sink in stream.routes:
            if stream_map is None:
                self._take(sink, lines, places)
                continue
            mapped = [
                (line, place)
                for place, line in zip(places, _transformed(lines, stream_map), strict=True)
                if line is not None
            ]
            self._take(sink, [line for line, _ in mapped], [place for _, place in mapped])

    def activate(self, name: str, version: int) -> None:
        """Take in that a version is the one that counts.

        Rows of others are removed at the end, if its last record has come by then: the message came
        after it, as the specification has it, or, from taps that send it before the records, a
        STATE did.
        """
        stream = self._streams[name]
        stream.version, stream.is_whole = version, stream.has_records

    def _take(self, sink: TableLoader, lines: Sequence[bytes], places: Sequence[Place]) -> None:
        while lines:
            batch = self._batches.get(sink)
            if batch is None:
                batch = self._batches[sink] = Batch(sink.decoder)
                self._states.batch_opened(batch)
            room = self._max_rows - batch.rows
            before = batch.size
            batch.add(lines[:room], places[:room])
            self._size += batch.size - before
            lines, places = lines[room:], places[room:]
            if batch.rows >= self._max_rows or batch.fault:
                self._load(sink)
            while self._size >= self._max_bytes:
                self._load(max(self._batches, key=lambda sink: self._batches[sink].size))

    def has(self, name: str) -> bool:
        """Tell whether a stream's schema has come."""
        return name in self._streams

    def state(self, state: str) -> None:
        """Take in a STATE value, to be emitted when all that came before it is committed."""
        for stream in self._streams.values():
            stream.is_whole = True
        self._states.add(state)

    def flush_due(self) -> None:
        """Load the batches that have waited long enough to be full; raise what a load raised."""
        self._worker.check()
        now = time.monotonic()
        for sink, batch in list(self._batches.items()):
            if now - batch.batch_opened >= _MAX_AGE:
                self._load(sink)

    def drain(self) -> None:
        """Load everything that came in."""
        fault = None
        for sink in list(self._batches):
            try:
                self._load(sink)
            except NoRecordError as error:
                fault = error
        self._worker.run(lambda: None)
        if fault:
            raise fault

    def finish(self, *, stopped: bool) -> None:
        """Load everything that came in and end the run; an error if some was rejected.

        `stopped` tells that there would have been more.
        """
        try:
            self.drain()
            if not stopped:  # else what has come is not all, and what is there had better stay
                self._worker.run(self._remove_old_versions)
                if self._overwrite:
                    self._worker.run(self._replace)
        except Exception:
            self.abort()
            raise
        if self._options.add_metadata:
            self._worker.run(lambda: self._keep_run(self._run(complete=not stopped)))
        self._close()
        if self._rejected:
            error = KeysMissingError if self._keyless else RecordsRejectedError
            raise error(self._summary())

    def abort(self) -> None:
        """End the run, when the batch at hand is loaded; what is not committed is undone."""
        self._worker.stop()
        with contextlib.suppress(Exception):  # what went wrong before is what counts
            if self._options.add_metadata:
                runs.keep(self._adapter, self._run(complete=False))
                self._adapter.commit()
        self._close()

    def _close(self) -> None:
        self._worker.stop()
        self._adapter.close()

    def _keep_run(self, run: pa.Table) -> None:
        adapter = self._adapter
        try:
            transact(adapter, lambda: runs.keep(adapter, run), once=True)
        except adapter.errors as error:  # all that was to be loaded is
            logger.warning("this run is not in %s: %s", RUNS, adapter.explain(error))

    def _run(self, *, complete: bool) -> pa.Table:
        return runs.tell(
            {name: sink.tally for name, sink in self._sinks.items()},
            load_method=self._options.load_method,
            started_at=self._options.started_at,
            complete=complete,
        )

    def _remove_old_versions(self) -> None:
        for name, stream in self._streams.items():
            if stream.version is None:
                continue
            if not stream.is_whole:
                logger.warning("stream %r: version %s is not whole", name, stream.version)
                continue
            for _, sink in stream.routes:
                with self._explained(name):
                    sink.remove_versions_before(stream.version)

    def _replace(self) -> None:
        """Put what was loaded in the place of what the tables held, all in one transaction."""
        stream = ""

        def replace() -> None:
            nonlocal stream
            for stream, sink in self._sinks.items():
                sink.replace(self._table(stream))

        try:
            transact(self._adapter, replace)
        except self._adapter.errors as error:
            raise LoadError(f"stream {stream!r}: {self._adapter.explain(error)}") from error
        self._states.committed(self)

    def _summary(self) -> str:
        counts = ", ".join(f"{name} {count}" for name, count in self._rejected.items())
        total = self._rejected.total()
        if total == 1:
            return f"1 record was rejected ({counts}): the table {REJECTED} has it, with the reason"
        return (
            f"{total} records were rejected ({counts}): "
            f"the table {REJECTED} has them, with the reasons"
        )

    def _sink(self, stream_map: StreamMap) -> TableLoader:
        name = stream_map.stream_alias
        schema, keys = stream_map.transformed_schema, stream_map.transformed_key_properties or ()
        for key in keys:
            if key not in schema["properties"]:
                raise LoadError(f"stream {name!r}: the key property {key!r} is not in the schema")
        self._load(self._sinks.get(name))
        return self._worker.run(lambda: self._prepared(name, kinds_of(schema, keys), keys))

    def _prepared(
        self, name: str, kinds: Mapping[str, ColumnType], keys: Sequence[str]
    ) -> TableLoader:
        with self._explained(name):
            if name not in self._sinks:
                named = self._aside if self._overwrite else self._table
                table = transact(self._adapter, lambda: named(name))
                self._sinks[name] = TableLoader(name, table, self._adapter, self._options)
            self._sinks[name].apply_schema(kinds, keys)
        return self._sinks[name]

    def _table(self, name: str) -> str:
        adapter = self._adapter
        if name not in self._tables:
            fitted = names.assign_identifiers(
                [name],
                adapter.dialect,
                existing=adapter.tables(),
                reserved=[REJECTED, RUNS, *self._tables.values()],
            )
            self._tables |= fitted
        return self._tables[name]

    def _aside(self, name: str) -> str:
        """Make an empty table to load into, with the columns that the one to be replaced has."""
        aside = self._table(f"{name}__overwrite")
        self._adapter.drop(aside)
        columns = self._adapter.columns(self._table(name))
        if columns:
            self._adapter.create(aside, columns, ())
        return aside

    def _load(self, sink: TableLoader | None) -> None:
        """Have the worker load what there is for a sink; raise the fault that ended it."""
        batch = self._batches.pop(sink, None) if sink else None
        if not sink or not batch:
            return
        self._size -= batch.size
        batch.close()
        sink.warn()
        self._worker.submit(lambda: self._loaded(sink, batch))
        if batch.fault:
            raise batch.fault

    def _loaded(self, sink: TableLoader, batch: Batch) -> None:
        with self._explained(sink.stream):
            rejects = sink.load(batch) if batch.rows else []
        if rejects:
            self._rejected[sink.stream] += len(rejects)
            self._keyless |= any(reject.keyless for reject in rejects)
        if not batch.fault:  # a state may have come behind it
            self._states.committed(batch)

    @contextlib.contextmanager
    def _explained(self, stream: str) -> Iterator[None]:
        try:
            yield
        except self._adapter.errors as error:
            raise LoadError(f"stream {stream!r}: {self._adapter.explain(error)}") from error


def _is_plain(stream_map: StreamMap) -> bool:
    return isinstance(stream_map, SameRecordTransform) and not stream_map.flattening_enabled


def _transformed(lines: Sequence[bytes], stream_map: StreamMap) -> Iterator[bytes | None]:
    for line in lines:
        message = exact.parse_leniently(line)
        try:
            record = stream_map.transform(message["record"])
        except Exception as error:  # noqa: BLE001 - expressions may raise anything
            # a cause's own words may repeat personal data
            what = str(error) if isinstance(error, MapExpressionError) else "an expression failed"
            cause = type(error.__cause__ or error).__name__
            where = f"setting 'stream_maps.{stream_map.stream_alias}'"
            raise LoadError(f"{where}: {what.rstrip('.')} ({cause})") from None
        yield None if record is None else exact.to_json(message | {"record": record})
