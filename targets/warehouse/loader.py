"""Gathers what the reader hands over, a batch a stream, and has it loaded in good time."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from singer_sdk.exceptions import MapExpressionError, MissingKeyPropertiesError
from singer_sdk.mapper import PluginMapper, RemoveRecordTransform, SameRecordTransform, StreamMap

from targets.warehouse import exact, names
from targets.warehouse.adapters import Adapter
from targets.warehouse.batch import Batch
from targets.warehouse.columns import kinds_of
from targets.warehouse.sink import REJECTED, Options, Sink
from targets.warehouse.state import Checkpoints

_MAX_AGE = 60  # seconds that a record waits for its batch to fill
_ROWS = 250_000


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
    routes: list[tuple[StreamMap | None, Sink]]


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
            upsert=load_method != "append-only",
            add_metadata=add_record_metadata,
            started_at=started_at,
        )
        self._overwrite = load_method == "overwrite"
        self._max_rows = batch_size_rows or _ROWS
        self._max_bytes = batch_max_bytes or adapter.batch_bytes
        self._streams: dict[str, _Stream] = {}
        self._sinks: dict[str, Sink] = {}
        self._batches: dict[Sink, Batch] = {}
        self._size = 0  # of all batches, in bytes
        self._states = Checkpoints()
        self._rejected: Counter[str] = Counter()
        self._keyless = False

    def schema(self, name: str, schema: dict[str, Any], keys: Sequence[str]) -> None:
        """Take in a SCHEMA message. One that says nothing new does nothing."""
        known = self._streams.get(name)
        if known and (known.schema, known.keys) == (schema, keys):
            return
        self._mapper.register_raw_stream_schema(name, schema, keys)
        routes = [
            (None if _is_plain(stream_map) else stream_map, self._sink(stream_map))
            for stream_map in self._mapper.stream_maps[name]
            if not isinstance(stream_map, RemoveRecordTransform)
        ]
        self._streams[name] = _Stream(copy.deepcopy(schema), keys, routes)

    def record(self, name: str, line: bytes, number: int) -> None:
        """Take in a RECORD line of a stream; `number` is the line's in the input."""
        for stream_map, sink in self._streams[name].routes:
            mapped = line if stream_map is None else _transformed(line, stream_map)
            if mapped is None:
                continue
            batch = self._batches.get(sink)
            if batch is None:
                batch = self._batches[sink] = Batch()
            batch.add(mapped, number)
            self._size += len(mapped)
            if len(batch.lines) >= self._max_rows:
                self._load(sink)
            elif self._size >= self._max_bytes:
                self._load(max(self._batches, key=lambda sink: self._batches[sink].size))

    def has(self, name: str) -> bool:
        """Tell whether a stream's schema has come."""
        return name in self._streams

    def state(self, state: str) -> None:
        """Take in a STATE value, to be emitted when all that came before it is committed."""
        # An overwrite is committed as a whole, at the end.
        held = {self} if self._overwrite else set()
        self._states.add(state, {*self._batches.values(), *held})

    def load_aged(self) -> None:
        """Load the batches that have waited long enough to be full."""
        now = time.monotonic()
        for sink, batch in list(self._batches.items()):
            if now - batch.opened >= _MAX_AGE:
                self._load(sink)

    def drain(self) -> None:
        """Load everything that came in."""
        for sink in list(self._batches):
            self._load(sink)

    def finish(self) -> None:
        """Load everything that came in and end the run; an error if some was rejected."""
        try:
            self.drain()
            if self._overwrite:
                self._replace()
        finally:
            self.close()
        if self._rejected:
            error = KeysMissingError if self._keyless else RecordsRejectedError
            raise error(self._summary())

    def close(self) -> None:
        """End the connection; what is not committed is undone."""
        self._adapter.close()

    def _replace(self) -> None:
        """Put what was loaded in the place of what the tables held, all in one transaction."""
        for name, sink in self._sinks.items():
            with self._explained(name):
                sink.replace(self._table(name))
        self._adapter.commit()
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

    def _sink(self, stream_map: StreamMap) -> Sink:
        name = stream_map.stream_alias
        schema, keys = stream_map.transformed_schema, stream_map.transformed_key_properties or ()
        for key in keys:
            if key not in schema["properties"]:
                raise LoadError(f"stream {name!r}: the key property {key!r} is not in the schema")
        sink = self._sinks.get(name)
        with self._explained(name):
            if sink is None:
                table = self._aside(name) if self._overwrite else self._table(name)
                sink = self._sinks[name] = Sink(name, table, self._adapter, self._options)
            else:
                self._load(sink)
            sink.adopt(kinds_of(schema, keys), keys)
        return sink

    def _table(self, name: str) -> str:
        adapter = self._adapter
        existing = adapter.tables()
        return names.fit([name], adapter.name_limit, existing=existing, reserved=[REJECTED])[name]

    def _aside(self, name: str) -> str:
        """Make an empty table to load into, with the columns that the one to be replaced has."""
        aside = self._table(f"{name}__overwrite")
        self._adapter.drop(aside)
        columns = self._adapter.columns(self._table(name))
        if columns:
            self._adapter.create(aside, columns, ())
        return aside

    def _load(self, sink: Sink) -> None:
        batch = self._batches.pop(sink, None)
        if batch is None:
            return
        self._size -= batch.size
        with self._explained(sink.stream):
            rejects = sink.load(batch)
        if rejects:
            self._rejected[sink.stream] += len(rejects)
            self._keyless |= any(reject.keyless for reject in rejects)
        self._states.committed(batch)

    @contextlib.contextmanager
    def _explained(self, stream: str) -> Iterator[None]:
        try:
            yield
        except self._adapter.errors as error:
            raise LoadError(f"stream {stream!r}: {self._adapter.explain(error)}") from error


def _is_plain(stream_map: StreamMap) -> bool:
    return isinstance(stream_map, SameRecordTransform) and not stream_map.flattening_enabled


def _transformed(line: bytes, stream_map: StreamMap) -> bytes | None:
    message = exact.parse_leniently(line)
    try:
        record = stream_map.transform(message["record"])
    except Exception as error:  # noqa: BLE001 - expressions may raise anything
        # a cause's own words may repeat personal data
        what = str(error) if isinstance(error, MapExpressionError) else "an expression failed"
        cause = type(error.__cause__ or error).__name__
        where = f"setting 'stream_maps.{message['stream']}'"
        raise LoadError(f"{where}: {what.rstrip('.')} ({cause})") from None
    return None if record is None else exact.to_json(message | {"record": record})
