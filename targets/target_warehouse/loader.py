"""Takes the messages of a tap from the reader and has their data loaded."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
from singer_sdk.mapper import PluginMapper, RemoveRecordTransform, StreamMap

from attribution_elt.core.events import RUNS
from target_warehouse.batch import Batch
from target_warehouse.columns import ColumnType, kinds_of
from target_warehouse.decode import Place
from target_warehouse.errors import InvalidSchemaError, LoadError
from target_warehouse.open_batches import OpenBatches
from target_warehouse.overwrite import make_aside, replace_all
from target_warehouse.rejects import Rejects
from target_warehouse.routes import Route
from target_warehouse.runs import Run, write_run
from target_warehouse.state import Checkpoints
from target_warehouse.table_loader import Options, TableLoader
from target_warehouse.table_names import TableNames
from target_warehouse.versions import Version
from target_warehouse.warehouses.base import Adapter
from target_warehouse.warehouses.transaction import transact
from target_warehouse.worker import Worker

logger = logging.getLogger("target-warehouse")


@dataclasses.dataclass
class _Stream:
    """A stream of the tap: its last SCHEMA message, and the tables that its records go to."""

    schema: dict[str, Any]
    keys: Sequence[str]
    routes: list[Route]
    version: Version


class Loader:
    """Loads a Singer stream into a warehouse."""

    def __init__(
        self,
        adapter: Adapter,
        mapper: PluginMapper,
        options: Options,
        *,
        batch_size_rows: int | None,
        batch_max_bytes: int | None,
    ) -> None:
        self._adapter = adapter
        self._mapper = mapper
        self._options = options
        self._run = Run(options.load_method, options.started_at)
        self._overwrite = options.load_method == "overwrite"
        self._names = TableNames(adapter)
        self._rejects = Rejects(adapter)
        self._streams: dict[str, _Stream] = {}
        self._tables: dict[str, TableLoader] = {}
        self._states = Checkpoints()
        if self._overwrite:  # the old rows are replaced at the end, all at once
            self._states.batch_opened(self)
        self._batches = OpenBatches(
            self._states,
            self._submit,
            max_rows=batch_size_rows,
            max_bytes=batch_max_bytes or adapter.batch_bytes,
        )
        self._worker = Worker()

    def schema(self, name: str, schema: dict[str, Any], keys: Sequence[str]) -> None:
        """Take a SCHEMA message. A repeated one changes nothing."""
        known = self._streams.get(name)
        if known and (known.schema, known.keys) == (schema, keys):
            return
        original = copy.deepcopy(schema)
        try:
            self._mapper.register_raw_stream_schema(name, schema, keys)
        except (AttributeError, KeyError, TypeError) as error:  # of an odd one
            raise InvalidSchemaError(str(error)) from error
        routes = [
            Route(stream_map, self._table(stream_map))
            for stream_map in self._mapper.stream_maps[name]
            if not isinstance(stream_map, RemoveRecordTransform)
        ]
        version = known.version if known else Version()
        self._streams[name] = _Stream(original, keys, routes, version)

    def has(self, name: str) -> bool:
        """Return whether a stream's schema has come."""
        return name in self._streams

    def records(self, name: str, lines: Sequence[bytes], places: Sequence[Place]) -> None:
        """Take RECORD lines of a stream, with their places in the input."""
        stream = self._streams[name]
        stream.version.on_record()
        for route in stream.routes:
            self._batches.add(route.table, *route.mapped(lines, places))

    def activate(self, name: str, version: int) -> None:
        """Take an ACTIVATE_VERSION message: rows of older versions are removed at the end."""
        self._streams[name].version.on_activate(version)

    def state(self, state: str) -> None:
        """Take a STATE value, which is emitted when all that came before it is committed."""
        for stream in self._streams.values():
            stream.version.on_state()
        self._states.add(state)

    def flush_due(self) -> None:
        """Load the batches that have waited long enough; raise what an earlier load raised."""
        self._worker.check()
        self._batches.flush_due()

    def drain(self) -> None:
        """Load everything that came in."""
        try:
            self._batches.flush_all()
        finally:
            self._worker.run(lambda: None)

    def finish(self, *, stopped: bool) -> None:
        """Load everything that came in and end the run; raise if records were rejected.

        `stopped` means that the input goes on after what was read.
        """
        try:
            self.drain()
            if not stopped:  # else more records would follow, and the old rows stay
                self._worker.run(self._remove_old_versions)
                if self._overwrite:
                    self._worker.run(self._replace)
        except Exception:
            self.abort()
            raise
        self._worker.run(lambda: self._write_run(complete=not stopped))
        self._close()
        self._rejects.check()

    def abort(self) -> None:
        """End the run after the batch at hand; what is not committed is undone."""
        self._worker.stop()
        with contextlib.suppress(Exception):  # the error that led here is raised
            if self._options.add_metadata:
                write_run(self._adapter, self._run_rows(complete=False))
                self._adapter.commit()
        self._close()

    def _close(self) -> None:
        self._worker.stop()
        self._adapter.close()

    def _table(self, stream_map: StreamMap) -> TableLoader:
        """Return the loader of a table, with the schema that a stream map makes applied."""
        name = stream_map.stream_alias
        schema, keys = stream_map.transformed_schema, stream_map.transformed_key_properties or ()
        for key in keys:
            if key not in schema["properties"]:
                raise LoadError(f"stream {name!r}: the key property {key!r} is not in the schema")
        if name in self._tables:
            self._batches.flush(self._tables[name])
        return self._worker.run(lambda: self._prepared(name, kinds_of(schema, keys), keys))

    def _prepared(
        self, name: str, kinds: Mapping[str, ColumnType], keys: Sequence[str]
    ) -> TableLoader:
        adapter = self._adapter
        with self._explained(name):
            if name not in self._tables:
                table = transact(adapter, lambda: self._table_name(name))
                self._tables[name] = TableLoader(name, table, adapter, self._rejects, self._options)
            self._tables[name].apply_schema(kinds, keys)
        return self._tables[name]

    def _table_name(self, stream: str) -> str:
        if self._overwrite:
            return make_aside(self._adapter, self._names, stream)
        return self._names.of_stream(stream)

    def _submit(self, table: TableLoader, batch: Batch) -> None:
        self._worker.submit(lambda: self._load(table, batch))

    def _load(self, table: TableLoader, batch: Batch) -> None:
        if batch.rows:
            with self._explained(table.stream):
                table.load(batch)
        if not batch.fault:  # a state may have come behind it
            self._states.committed(batch)

    def _remove_old_versions(self) -> None:
        for name, stream in self._streams.items():
            version = stream.version
            if version.active is None:
                continue
            if not version.is_whole:
                logger.warning("stream %r: version %s is incomplete", name, version.active)
                continue
            for route in stream.routes:
                with self._explained(name):
                    route.table.remove_versions_before(version.active)

    def _replace(self) -> None:
        replace_all(self._adapter, self._names, self._tables.values())
        self._states.committed(self)

    def _write_run(self, *, complete: bool) -> None:
        if not self._options.add_metadata:
            return
        adapter, rows = self._adapter, self._run_rows(complete=complete)
        try:
            transact(adapter, lambda: write_run(adapter, rows), once=True)
        except adapter.errors as error:  # the load itself is done
            logger.warning("this run is not in %s: %s", RUNS, adapter.explain(error))

    def _run_rows(self, *, complete: bool) -> pa.Table:
        tallies = {name: table.tally for name, table in self._tables.items()}
        return self._run.log(tallies, complete=complete)

    @contextlib.contextmanager
    def _explained(self, stream: str) -> Iterator[None]:
        try:
            yield
        except self._adapter.errors as error:
            raise LoadError(f"stream {stream!r}: {self._adapter.explain(error)}") from error
