"""Reads Singer messages in large chunks and recognises most records without decoding them."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import select
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import IO, TYPE_CHECKING, Any

import msgspec
from singer_sdk.exceptions import InvalidInputLine, RecordsWithoutSchemaException
from singer_sdk.io_base import GenericSingerReader
from typing_extensions import override

from attribution_elt.core.errors import OneLineError
from attribution_elt.core.text import storable, without_halves
from target_warehouse import exact
from target_warehouse.batch_files import BatchFileError, record_lines
from target_warehouse.errors import InvalidSchemaError
from target_warehouse.messages import SchemaMessage, StateMessage, state_message

if TYPE_CHECKING:
    from target_warehouse.loader import Loader

_CHUNK = 4 << 20
_POLL = 1.0  # seconds without input after which waiting batches and signals are checked
_RECORD = b'"record"'
_MOST_HEADS = 20_000
_ABSENT = msgspec.Raw()
_RAW = ("record", "schema", "value", "delivered", "complete", "bookmark_properties")
_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_NESTING = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{\]}]')
"""Matches strings, which are skipped, and the brackets between them."""
_MEMBER = 2  # maximum depth of a member's value
_TOO_DEEP = "it is nested too deeply"

logger = logging.getLogger("target-warehouse")


class _Message(msgspec.Struct, gc=False):
    """The members of Singer messages that the loader uses."""

    type: str
    stream: str | None = None
    record: msgspec.Raw = _ABSENT
    schema: msgspec.Raw = _ABSENT
    key_properties: list[str] | None = None
    value: msgspec.Raw = _ABSENT
    delivered: msgspec.Raw = _ABSENT
    complete: msgspec.Raw = _ABSENT
    bookmark_properties: msgspec.Raw = _ABSENT
    version: int | None = None
    encoding: dict[str, str | None] | None = None
    manifest: list[str] | None = None


class MessageReader(GenericSingerReader[bytes]):
    """Passes messages to the loader, and records as raw lines.

    With most taps, all records of a stream have the same text before `"record"`: a line that begins
    like an earlier record is a record of the same stream.
    """

    def __init__(
        self, open_loader: Callable[[], Loader], batch_folders: Callable[[], Sequence[str]]
    ) -> None:
        super().__init__()
        self._batch_folders = batch_folders
        self.stopped = 0
        """The signal that ended reading, or 0."""
        self._open_loader = open_loader
        self._opened: Loader | None = None
        self._early_states: list[StateMessage] = []
        self._heads: dict[bytes, str] = {}
        self._decoder = msgspec.json.Decoder(_Message)
        self._number = 0

    def stop(self, signal: int) -> None:
        """Stop after the lines that have arrived; a second call ends the process at once."""
        if self.stopped:
            raise SystemExit(128 + signal)
        self.stopped = signal

    @property
    @override
    def default_input(self) -> IO[bytes]:
        if sys.stdin is None:
            raise OneLineError("standard input is closed: messages cannot be read")
        return sys.stdin.buffer

    @override
    def process_lines(
        self,
        file_input: IO[Any] | None,
        callbacks: dict[str, Callable[[dict[str, Any]], None]],
    ) -> Counter[str]:
        # The SDK's callbacks would need a Python object for each record.
        try:
            counts = self._read(file_input or self.default_input)
            self._load_from_now()
        except Exception as error:
            if self._opened is not None:
                self._opened.abort(error)
            raise
        return counts

    @property
    def _loader(self) -> Loader:
        return self._opened or self._load_from_now()

    def _load_from_now(self) -> Loader:
        """Connect at the first message that needs the warehouse: before that, a tap may read it.

        Only one process at a time can open a warehouse that is a file.
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
                self._opened.drain()  # the lines before it are valid
            raise
        return counts

    def _take(self, lines: Sequence[bytes], counts: Counter[str]) -> None:
        """Read lines; consecutive records of a stream go to the loader together."""
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
        """Yield complete lines as they arrive; if nothing arrives, an empty list now and then."""
        rest = bytearray()  # grows in place: a joined list needs the memory of two lines
        for chunk in self._chunks(source):
            lines = chunk.split(b"\n")
            rest += lines[0]
            if len(lines) > 1:
                lines[0] = bytes(rest)
                rest = bytearray(lines.pop())
                yield lines
            else:
                yield []
        last = bytes(rest)
        if last and not self.stopped:
            self._heads.clear()  # so that the last line is parsed: it may be incomplete
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
        line = line.removeprefix(_BOM)
        message = self._parsed(line)
        match message.type:
            case "RECORD":
                self._record(message, line)
            case "SCHEMA":
                self._schema(message)
            case "STATE":
                self._state(message)
            case "ACTIVATE_VERSION":
                self._activate(message)
            case "BATCH":
                self._batch(message)
            case other:
                raise self._invalid(f"its type {other!r} is unknown")
        return message.type

    def _state(self, message: _Message) -> None:
        if message.value is _ABSENT:
            raise self._invalid("it has no value")
        state = state_message(
            self._text(message.value), bytes(message.delivered), bytes(message.complete)
        )
        if self._opened is None:
            self._early_states.append(state)
        else:
            self._opened.state(state)

    def _schema(self, message: _Message) -> None:
        stream = self._stream(message)
        try:
            schema = self._object(message.schema, "schema")
            bookmarks = json.loads(self._text(message.bookmark_properties) or "null")
        except RecursionError as error:
            raise self._invalid(_TOO_DEEP) from error
        properties = schema.get("properties", {})
        if properties is None:
            del schema["properties"]
        elif not isinstance(properties, dict):
            raise self._invalid("the properties of its schema are not an object")
        bookmark = bookmarks[0] if isinstance(bookmarks, list) and bookmarks else None
        try:
            self._loader.schema(
                SchemaMessage(
                    stream=stream,
                    text=bytes(message.schema),
                    schema=schema,
                    keys=tuple(dict.fromkeys(map(storable, message.key_properties or []))),
                    bookmark=storable(bookmark) if isinstance(bookmark, str) else None,
                )
            )
        except InvalidSchemaError as error:
            raise self._invalid(f"its schema cannot be read: {error}") from error

    def _record(self, message: _Message, line: bytes) -> None:
        if message.record is _ABSENT:
            raise self._invalid("it has no record")
        stream = self._known(message, "a record")
        self._loader.records(stream, [line], [self._number])
        head = line[: line.find(_RECORD)]
        try:
            learned = self._decoder.decode(head + _RECORD + b":{}}")
        except (msgspec.DecodeError, UnicodeDecodeError):
            return  # type or stream come after the record
        if (learned.type, learned.stream) == ("RECORD", stream):
            if len(self._heads) >= _MOST_HEADS:  # a tap may write a time before each record
                self._heads.clear()
            self._heads[head] = stream

    def _activate(self, message: _Message) -> None:
        if message.version is None:
            raise self._invalid("it has no version")
        if message.version not in exact.INT64:
            raise self._invalid("its version has more than 64 bits")
        stream = self._stream(message)
        if self._loader.has(stream):
            self._loader.activate(stream, message.version)
        else:  # the table has no older rows to remove yet
            logger.warning(
                "line %s activates a version of stream %r before its schema: it is ignored",
                self._number,
                stream,
            )

    def _batch(self, message: _Message) -> None:
        if message.encoding is None or message.manifest is None:
            raise self._invalid("it has no encoding or no manifest")
        stream = self._known(message, "a batch")
        encoding = message.encoding
        try:
            for lines, places in record_lines(
                message.manifest,
                encoding.get("format") or "",
                encoding.get("compression"),
                folders=self._batch_folders(),
            ):
                self._loader.records(stream, lines, places)
        except BatchFileError as error:
            raise InvalidInputLine(f"line {self._number}: {error}") from error

    def _stream(self, message: _Message) -> str:
        if not message.stream:
            raise self._invalid("it has no stream")
        return message.stream

    def _known(self, message: _Message, what: str) -> str:
        """Return the stream of a message, which must have a schema."""
        stream = self._stream(message)
        if not self._loader.has(stream):
            raise RecordsWithoutSchemaException(
                f"line {self._number} is {what} of stream {stream!r}, which has no schema yet"
            )
        return stream

    def _parsed(self, line: bytes) -> _Message:
        try:
            return self._decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            pass  # Python also accepts NaN and the like
        except RecursionError:
            return self._outlined(line)
        try:
            message = self.deserialize_json(line)
        except (TypeError, ValueError) as error:
            is_utf16 = line.startswith(_UTF16) or b"\0" in line[:4]
            reason = "the input is UTF-16, but has to be UTF-8" if is_utf16 else str(error)
            raise self._invalid(reason) from error
        except RecursionError:
            return self._outlined(line)
        if not isinstance(message.get("type"), str):
            raise self._invalid("it has no type")
        try:
            return msgspec.convert(_storable(message), _Message)
        except RecursionError:
            return self._outlined(line)
        except msgspec.ValidationError as error:
            raise self._invalid(str(error)) from error

    def _outlined(self, line: bytes) -> _Message:
        """Return a RECORD message that is nested too deeply, without its record."""
        parts, depth, start = [], 0, 0
        for found in _NESTING.finditer(line):
            if found[0] in b"{[":
                depth += 1
                if depth == _MEMBER:
                    parts.append(line[start : found.start()])
            elif found[0] in b"}]":
                depth -= 1
                if depth == _MEMBER - 1:
                    parts.append(b"{}")
                    start = found.end()
        try:
            message = self._decoder.decode(b"".join([*parts, line[start:]]))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._invalid(_TOO_DEEP) from error
        if message.type != "RECORD":
            raise self._invalid(_TOO_DEEP)
        return message

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


def _storable(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message without characters that UTF-8 cannot encode."""
    members: dict[str, Any] = {
        name: msgspec.Raw(exact.to_json(value))
        if name in _RAW
        else msgspec.json.decode(exact.to_json(value))
        for name, value in message.items()
    }
    if isinstance(stream := message.get("stream"), str):
        members["stream"] = without_halves(stream)  # unlike values, it may contain NUL
    return members
