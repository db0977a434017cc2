"""Passes a tap's messages from the reader to the tables that load them."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Iterator, Sequence
from functools import partial

from singer_sdk.mapper import PluginMapper, RemoveRecordTransform, StreamMap

from attribution_elt.core.events import RUNS
from attribution_elt.core.people import Personal
from target_warehouse.batch import Batch
from target_warehouse.columns import descriptions_of, kinds_of
from target_warehouse.decode import Place
from target_warehouse.errors import InvalidSchemaError, LoadError
from target_warehouse.json_schema import normalized
from target_warehouse.messages import SchemaMessage, StateMessage
from target_warehouse.open_batches import OpenBatches
from target_warehouse.overwrite import make_aside, replace_all
from target_warehouse.rejects import Rejects
from target_warehouse.routes import Route, is_plain
from target_warehouse.runs import Row, Run, write_run
from target_warehouse.state import Checkpoints
from target_warehouse.suppressed import Suppressed, read_suppressed
from target_warehouse.table_loader import Options, TableLoader
from target_warehouse.table_names import TableNames
from target_warehouse.verification import write_verifications
from target_warehouse.versions import Version
from target_warehouse.warehouses.base import Adapter, WarehouseError
from target_warehouse.warehouses.transaction import transact
from target_warehouse.worker import Worker

__all__ = ["Loader", "Options"]

logger = logging.getLogger("target-warehouse")


@dataclasses.dataclass
class _Stream:
    """A stream of the tap: its last SCHEMA message, and the tables that its records go to."""

    message: SchemaMessage
    routes: list[Route]
    version: Version


class Loader:
    """Loads a Singer stream into a warehouse."""

    def __init__(self, adapter: Adapter, mapper: PluginMapper, options: Options) -> None:
        self._adapter = adapter
        self._mapper = mapper
        self._options = options
        self._run = Run(options.load_method, options.started_at)
        self._overwrite = options.load_method == "overwrite"
        self._names = TableNames(adapter)
        self._rejects = Rejects(adapter, dry_run=options.dry_run)
        self._suppressed: Suppressed | None = None
        self._streams: dict[str, _Stream] = {}
        self._uncovered: dict[str, Version] = {}
        """Versions of the streams with messages that no STATE has covered yet."""
        self._tables: dict[str, TableLoader] = {}
        self._states = Checkpoints()
        # The old rows are replaced at the end, all at once; a dry run loads nothing.
        if self._overwrite or options.dry_run:
            self._states.batch_opened(self)
        self._batches = OpenBatches(
            self._states,
            self._submit,
            max_rows=options.batch_size_rows,
            max_bytes=options.batch_max_bytes or adapter.batch_bytes,
        )
        self._worker = Worker()
        self._complete: bool | None = None
        """Whether the tap has finished; None if it does not report that."""
        self._has_failures = False
        """Whether a table accepts no more records, or keeps vanished rows."""
        self._replaced: set[str] = set()
        """Streams whose old rows were replaced."""
        self._errors: list[str] = []
        """Why old rows of streams were not replaced."""
        if options.dry_run and (
            options.load_method != "upsert" or not adapter.has_temporary_tables
        ):
            adapter.close()
            raise LoadError("dry_run is not possible with this load method or warehouse")

    def schema(self, message: SchemaMessage) -> None:
        """Take a SCHEMA message; a repeated one changes nothing."""
        name = message.stream
        known = self._streams.get(name)
        if known and known.message == message:
            return
        if message.scope is not None and self._complete is None:
            self._complete = False  # a tap of this project, which reports its end in a STATE
        try:
            schema = normalized(message.schema)
            for key in message.keys:
                if not schema["properties"]:  # the records will show the types
                    schema["properties"][key] = {"type": "string"}
            self._mapper.register_raw_stream_schema(name, schema, message.keys)
        except (AttributeError, KeyError, TypeError) as error:  # the schema may be malformed
            raise InvalidSchemaError(str(error)) from error
        except RecursionError as error:
            raise InvalidSchemaError("it is nested too deeply") from error
        routes = [
            Route(stream_map, self._table(stream_map, message))
            for stream_map in self._mapper.stream_maps[name]
            if not isinstance(stream_map, RemoveRecordTransform)
        ]
        version = known.version if known else Version()
        self._streams[name] = _Stream(message, routes, version)
        self._uncovered[name] = version

    def has(self, name: str) -> bool:
        """Return whether a stream has a schema."""
        return name in self._streams

    def records(self, name: str, lines: Sequence[bytes], places: Sequence[Place]) -> None:
        """Add RECORD lines of a stream, with their positions in the input."""
        stream = self._streams[name]
        stream.version.on_record()
        self._uncovered[name] = stream.version
        for route in stream.routes:
            if not self._is_closed(route.table):
                self._batches.add(route.table, *route.mapped(lines, places))

    def activate(self, name: str, version: int) -> None:
        """Take an ACTIVATE_VERSION message: rows of older versions are removed at the end."""
        stream = self._streams[name]
        stream.version.on_activate(version)
        self._uncovered[name] = stream.version

    def state(self, message: StateMessage) -> None:
        """Take a STATE message.

        Its value is emitted when everything before it is committed and its claims are swept.
        """
        for version in self._uncovered.values():
            version.on_state()
        self._uncovered.clear()
        if message.complete is not None or message.delivered:
            self._complete = bool(message.complete)
        elif self._complete is not None:
            self._complete = False
        if message.has_odd_claims:
            logger.warning("the claims of a STATE message cannot be read: vanished rows stay")
        for claim in message.delivered:
            for route in self._streams[claim.stream].routes if self.has(claim.stream) else ():
                if not self._is_closed(route.table) and route.table.sweeper.takes_claims:
                    self._batches.claim(route.table, claim)
        self._states.add(message.value)

    def flush_due(self) -> None:
        """Load the batches that have waited long enough; raise the error of an earlier load."""
        self._worker.check()
        self._batches.flush_due()

    def drain(self) -> None:
        """Load all records that have arrived."""
        try:
            self._batches.flush_all()
        finally:
            self._worker.run(lambda: None)

    def finish(self, *, stopped: bool) -> None:
        """Load all records that have arrived, and end the run.

        It was stopped if a signal ended reading before the end of the input.

        Raises:
            LoadError: A stream was not loaded, or old rows were not replaced.
            RecordsRejectedError: Records were rejected.
        """
        try:
            self.drain()
            if self._options.dry_run:
                self._worker.run(self._compare)
            elif not stopped:  # otherwise more records would follow, and the old rows stay
                self._worker.run(self._remove_old_versions)
                if self._overwrite:
                    self._worker.run(self._replace)
        except Exception as error:
            self.abort(error)
            raise
        errors = [*self._failures(), *self._errors]
        complete = self._complete and not stopped and not errors
        if self._options.dry_run:
            complete = not stopped and not errors and self._complete is not False
        self._worker.run(lambda: self._write_run(complete=complete))
        self._close()
        if errors:
            raise LoadError("; ".join(errors))
        self._rejects.check()

    def abort(self, why: Exception) -> None:
        """End the run after the current batch, and roll back what is not committed."""
        self._worker.stop()
        with contextlib.suppress(Exception):  # the error that led here is raised
            if self._options.add_metadata and not self._options.dry_run:
                write_run(self._adapter, self._run_rows(complete=self._complete and False, why=why))
                self._adapter.commit()
        self._close()

    def _close(self) -> None:
        self._worker.stop()
        for table in self._tables.values():
            table.sweeper.close()
        self._adapter.close()

    def _table(self, stream_map: StreamMap, message: SchemaMessage) -> TableLoader:
        """Return the loader of a table, after applying the schema that a stream map returns."""
        name = stream_map.stream_alias
        schema, keys = stream_map.transformed_schema, stream_map.transformed_key_properties or ()
        for key in keys:
            if key not in schema["properties"]:
                raise LoadError(f"stream {name!r}: the key property {key!r} is not in the schema")
        if name in self._tables:
            self._batches.flush(self._tables[name])
        table = self._worker.run(lambda: self._named(name))
        sweeps = is_plain(stream_map) and not self._overwrite
        personal = Personal.of_message(message.schema, keys)
        made = schema["properties"].keys() - message.schema.get("properties", {}).keys()
        # columns that a stream map makes may hold what it has renamed
        if personal.pii:
            personal = dataclasses.replace(personal, pii=personal.pii | made)

        def apply_schema() -> None:
            with self._contained(table):
                table.apply_schema(
                    kinds_of(schema, keys),
                    tuple(dict.fromkeys(keys)),
                    scope=message.scope if sweeps else None,
                    bookmark=message.bookmark,
                    volatile=message.volatile,
                    descriptions=descriptions_of(schema),
                    personal=personal,
                )

        self._worker.run(apply_schema)
        if table.failure:
            self._states.batch_opened(table)  # a state must not cover records that are not loaded
        return table

    def _named(self, stream: str) -> TableLoader:
        if stream not in self._tables:
            adapter = self._adapter
            try:
                table = transact(adapter, lambda: self._table_name(stream))
                if not self._tables:
                    key = self._options.pii_key
                    self._suppressed = transact(adapter, lambda: read_suppressed(adapter, key))
            except adapter.errors as error:
                raise LoadError(f"stream {stream!r}: {adapter.explain(error)}") from error
            self._tables[stream] = TableLoader(
                stream,
                table,
                adapter,
                names=self._names,
                rejects=self._rejects,
                options=self._options,
                suppressed=self._suppressed,
            )
        return self._tables[stream]

    def _table_name(self, stream: str) -> str:
        if self._overwrite:
            return make_aside(self._adapter, self._names, stream)
        return self._names.of_stream(stream)

    def _submit(self, table: TableLoader, batch: Batch) -> None:
        self._worker.submit(lambda: self._load(table, batch))

    def _load(self, table: TableLoader, batch: Batch) -> None:
        if table.failure is None:
            with self._contained(table):
                table.load(batch)
        self._has_failures |= table.sweeper.refusal is not None
        if table.failure is None and table.sweeper.refusal is None and not batch.fault:
            self._states.committed(batch)

    @contextlib.contextmanager
    def _contained(self, table: TableLoader) -> Iterator[None]:
        """Stop loading a stream that its table refuses; other streams continue.

        Transient errors, such as a lost connection, were retried before and end the run.
        """
        errors: tuple[type[Exception], ...] = (*self._adapter.errors, WarehouseError)
        try:
            yield
        except errors as error:
            explained = (
                str(error) if isinstance(error, WarehouseError) else self._adapter.explain(error)
            )
            message = f"stream {table.stream!r}: {explained}"
            if self._adapter.is_transient(error):
                raise LoadError(message) from error
            table.failure = table.tally.message = message
            self._has_failures = True
            logger.error(  # noqa: TRY400 - one line
                "%s; the rest of the stream is not loaded, and no further state is emitted",
                message,
            )

    def _is_closed(self, table: TableLoader) -> bool:
        """Return whether a table accepts no more records.

        While the state is held, the next run repeats all records, and would append them again.
        """
        return table.failure is not None or (table.appends and self._has_failures)

    def _failures(self) -> list[str]:
        tables = self._tables.values()
        refusals = [
            f"stream {table.stream!r}: {table.sweeper.refusal}"
            for table in tables
            if table.sweeper.refusal
        ]
        return [table.failure for table in tables if table.failure] + refusals

    def _remove_old_versions(self) -> None:
        for name, stream in self._streams.items():
            version = stream.version
            if version.active is None:
                continue
            if not version.is_whole:
                logger.warning("stream %r: version %s is incomplete", name, version.active)
                continue
            for route in stream.routes:
                table = route.table
                if table.failure:
                    continue
                if table.tally.rejected:
                    logger.warning(
                        "stream %r: the rows of older versions stay, because records of version "
                        "%s were rejected",
                        name,
                        version.active,
                    )
                elif reason := version.contradiction(table.versions):
                    self._errors.append(
                        f"stream {name!r}: {reason}; the rows of older versions stay"
                    )
                else:
                    with self._contained(table):
                        table.remove_versions_before(version.active)

    def _replace(self) -> None:
        """Replace the old rows of the streams that were delivered completely."""
        partial = {
            route.table.stream
            for stream in self._streams.values()
            for route in stream.routes
            if not stream.version.is_whole or route.table.failure
        }
        whole = {name: table for name, table in self._tables.items() if name not in partial}
        replace_all(self._adapter, self._names, whole.values())
        self._replaced.update(whole)
        self._errors += [
            f"stream {name!r}: the table keeps its rows, because no STATE came after the last "
            "record of the stream"
            for name in sorted(partial)
            if not self._tables[name].failure
        ]
        if not partial:
            self._states.committed(self)

    def _compare(self) -> None:
        for table in self._tables.values():
            if table.verifier and not table.failure:
                with self._contained(table):
                    table.verifier.finish()

    def _write_run(self, *, complete: bool | None) -> None:
        adapter = self._adapter
        if self._options.dry_run:
            found = [(n, t.verifier, t.tally) for n, t in self._tables.items() if t.verifier]
            write = partial(write_verifications, adapter, self._run, found, complete=complete)
            transact(adapter, write)
            return
        if not self._options.add_metadata:
            return
        rows = self._run_rows(complete=complete)
        try:
            transact(adapter, lambda: write_run(adapter, rows))
        except adapter.errors as error:  # the data itself is loaded
            logger.warning("the run was not recorded in %s: %s", RUNS, adapter.explain(error))

    def _run_rows(self, *, complete: bool | None, why: Exception | None = None) -> list[Row]:
        lost = self._tables.keys() - self._replaced if self._overwrite else ()
        tallies = {
            name: table.tally.in_vain() if name in lost else table.tally
            for name, table in self._tables.items()
        }
        return self._run.log(tallies, complete=complete, why=why)
