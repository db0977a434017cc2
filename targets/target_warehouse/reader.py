"""Reads Singer messages in large chunks, and tells records among them without decoding each."""

from __future__ import annotations

import io
import json
import logging
import os
import select
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import IO, TYPE_CHECKING, Any

import msgspec
from singer_sdk.exceptions import InvalidInputLine, RecordsWithoutSchemaException
from singer_sdk.io_base import GenericSingerReader
from typing_extensions import override

from target_warehouse import exact
from target_warehouse.batch_files import BatchFileError, record_lines
from target_warehouse.errors import InvalidSchemaError

if TYPE_CHECKING:
    from target_warehouse.loader import Loader

_CHUNK = 4 << 20
_POLL = 1.0  # seconds without input after which waiting batches and signals are looked at
_RECORD = b'"record"'
_ABSENT = msgspec.Raw()

logger = logging.getLogger("target-warehouse")


class _Message(msgspec.Struct, gc=False):
    """A Singer message of any type, as far as it has to be understood here."""

    type: str
    stream: str = ""
    record: msgspec.Raw = _ABSENT
    schema: msgspec.Raw = _ABSENT
    key_properties: list[str] | None = None
    value: msgspec.Raw = _ABSENT
    version: int | None = None
    encoding: dict[str, str | None] | None = None
    manifest: list[str] | None = None


class MessageReader(GenericSingerReader[bytes]):
    """Hands messages to the loader, records as raw lines.

    What stands before `"record"` in the first record of a stream is the same in all that follow,
    with most taps: a line that begins so is a record of that stream.
    """

    def __init__(self, open_loader: Callable[[], Loader]) -> None:
        super().__init__()
        self.stopped = 0
        """The signal by which reading was ended, if it was."""
        self._open_loader = open_loader
        self._opened: Loader | None = None
        self._early_states: list[str] = []
        self._heads: dict[bytes, str] = {}
        self._decoder = msgspec.json.Decoder(_Message)
        self._number = 0

    def stop(self, signal: int) -> None:
        """End reading after what has arrived; at once when told for the second time."""
        if self.stopped:
            raise SystemExit(128 + signal)
        self.stopped = signal

    @property
    @override
    def default_input(self) -> IO[bytes]:
        return sys.stdin.buffer

    @override
    def process_lines(
        self,
        file_input: IO[Any] | None,
        callbacks: dict[str, Callable[[dict[str, Any]], None]],
    ) -> Counter[str]:
        # The callbacks are the SDK's own way to take in messages, one Python object a record.
        try:
            counts = self._read(file_input or self.default_input)
            self._load_from_now()
        except Exception:
            if self._opened is not None:
                self._opened.abort()
            raise
        return counts

    @property
    def _loader(self) -> Loader:
        return self._opened or self._load_from_now()

    def _load_from_now(self) -> Loader:
        """Connect, at the first message that needs it: until then a tap may read the warehouse.

        That matters where a warehouse is a file, which one process at a time can hold.
        """
        if self._opened is None:
            self._opened = self._open_loader()
            for state in self._early_states:
                self._opened.state(state)
        return self._opened

    @override
    def deserialize_json(self, line: bytes) -> dict[str, Any]:
        message = exact.parse_leniently(line)
        if not isinstance(message, dict):
            raise TypeError("it is not an object")
        return message

    def _read(self, source: IO[Any]) -> Counter[str]:
        counts: Counter[str] = Counter()
        try:
            for lines in self._lines(source):
                self._take(lines, counts)
                if self._opened is not None:
                    self._opened.flush_due()
        except (InvalidInputLine, RecordsWithoutSchemaException):
            if self._opened is not None:
                self._opened.drain()  # what came before is good
            raise
        return counts

    def _take(self, lines: Sequence[bytes], counts: Counter[str]) -> None:
        """Take in lines, records of one stream that follow each other together."""
        start = 0
        while start < len(lines):
            line = lines[start]
            head = line[: line.find(_RECORD)]
            stream = self._heads.get(head)
            end = start + 1
            if stream is None:
                self._number += 1
                if line and not line.isspace():
                    counts[self._message(line)] += 1
            else:
                while end < len(lines) and lines[end].startswith(head):
                    end += 1
                numbers = range(self._number + 1, self._number + 1 + end - start)
                self._loader.records(stream, lines[start:end], numbers)
                self._number = numbers[-1]
                counts["RECORD"] += end - start
            start = end

    def _lines(self, source: IO[Any]) -> Iterator[list[bytes]]:
        """Yield whole lines as they arrive; none now and then while nothing arrives."""
        rest: list[bytes] = []
        for chunk in self._chunks(source):
            lines = chunk.split(b"\n")
            rest.append(lines[0])
            if len(lines) > 1:
                lines[0] = b"".join(rest)
                rest = [lines.pop()]
                yield lines
            else:
                yield []
        last = b"".join(rest)
        if last and not self.stopped:
            self._heads.clear()  # so that it is parsed: it may have been cut off
            yield [last]

    def _chunks(self, source: IO[Any]) -> Iterator[bytes]:
        try:
            descriptor = source.fileno()
        except (AttributeError, io.UnsupportedOperation):
            while chunk := source.read(_CHUNK):
                yield chunk.encode() if isinstance(chunk, str) else chunk
            return
        while not self.stopped:
            if not select.select([descriptor], [], [], _POLL)[0]:
                yield b""
            elif chunk := os.read(descriptor, _CHUNK):
                yield chunk
            else:
                return

    def _message(self, line: bytes) -> str:
        message = self._parsed(line)
        match message.type:
            case "RECORD":
                self._record(message, line)
            case "SCHEMA":
                self._schema(message)
            case "STATE":
                if message.value is _ABSENT:
                    raise self._invalid("it has no value")
                state = self._text(message.value)
                if self._opened is None:
                    self._early_states.append(state)
                else:
                    self._opened.state(state)
            case "ACTIVATE_VERSION":
                if message.version is None:
                    raise self._invalid("it has no version")
                self._known(message.stream, "a version")
                self._loader.activate(message.stream, message.version)
            case "BATCH":
                self._batch(message)
            case other:
                raise self._invalid(f"its type {other!r} is unknown")
        return message.type

    def _schema(self, message: _Message) -> None:
        schema = self._object(message.schema, "schema")
        if not isinstance(schema.get("properties"), dict):
            raise self._invalid("its schema has no properties")
        try:
            self._loader.schema(message.stream, schema, message.key_properties or [])
        except InvalidSchemaError as error:
            raise self._invalid(f"its schema cannot be read: {error}") from error

    def _record(self, message: _Message, line: bytes) -> None:
        if message.record is _ABSENT:
            raise self._invalid("it has no record")
        self._known(message.stream, "a record")
        self._loader.records(message.stream, [line], [self._number])
        head = line[: line.find(_RECORD)]
        try:
            learned = self._decoder.decode(head + _RECORD + b":{}}")
        except (msgspec.DecodeError, UnicodeDecodeError):
            return  # type or stream stand behind the record
        if (learned.type, learned.stream) == ("RECORD", message.stream):
            self._heads[head] = message.stream

    def _batch(self, message: _Message) -> None:
        if message.encoding is None or message.manifest is None:
            raise self._invalid("it has no encoding or no manifest")
        self._known(message.stream, "a batch")
        encoding = message.encoding
        try:
            for lines, places in record_lines(
                message.manifest, encoding.get("format") or "", encoding.get("compression")
            ):
                self._loader.records(message.stream, lines, places)
        except BatchFileError as error:
            raise InvalidInputLine(f"line {self._number}: {error}") from error

    def _known(self, stream: str, what: str) -> None:
        if not self._loader.has(stream):
            raise RecordsWithoutSchemaException(
                f"line {self._number} is {what} of stream {stream!r}, "
                "of which no schema came before"
            )

    def _parsed(self, line: bytes) -> _Message:
        try:
            return self._decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            pass  # perhaps NaN, or what else Python takes for JSON
        try:
            message = self.deserialize_json(line)
        except (TypeError, ValueError) as error:
            raise self._invalid(str(error)) from error
        if not isinstance(message.get("type"), str):
            raise self._invalid("it has no type")
        for name in ("record", "schema", "value"):
            if name in message:
                message[name] = msgspec.Raw(exact.to_json(message[name]))
        try:
            return msgspec.convert(message, _Message)
        except msgspec.ValidationError as error:
            raise self._invalid(str(error)) from error

    def _object(self, raw: msgspec.Raw, name: str) -> dict[str, Any]:
        value = json.loads(self._text(raw) or "null")
        if not isinstance(value, dict):
            raise self._invalid(f"it has no {name}")
        return value

    def _text(self, raw: msgspec.Raw) -> str:
        try:
            return bytes(raw).decode()
        except UnicodeDecodeError as error:
            raise self._invalid(str(error)) from error

    def _invalid(self, reason: str) -> InvalidInputLine:
        return InvalidInputLine(f"line {self._number} is not a Singer message: {reason}")
