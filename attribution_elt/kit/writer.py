"""Writes Singer messages to standard output."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import msgspec
from singer_sdk.singerlib import Message, SchemaMessage, SingerMessageType, StateMessage
from singer_sdk.singerlib.encoding import GenericSingerWriter
from typing_extensions import override

from attribution_elt.core.events import CLAIMS
from attribution_elt.kit.errors import PluginError

FLUSH_BYTES = 1 << 16
FLUSH_SECONDS = 1.0


class LineWriter(GenericSingerWriter[bytes, Message]):
    """Buffers whole lines; flushes by size, by age, and for every message except records.

    It belongs to one thread. Decimals are written with all their digits.

    Attributes:
        annotations: members of the schemas of SCHEMA messages, by stream. They are kept here
            because the SDK's catalog drops them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.annotations: dict[str, dict[str, Any]] = {}
        self._last_state = b""
        self._encode = msgspec.json.Encoder(decimal_format="number").encode
        self._buffer = bytearray()
        self._flushed = time.monotonic()

    @override
    def serialize_message(self, message: Message) -> bytes:
        return self._encode(message.to_dict()) + b"\n"

    @override
    def write_message(self, message: Message) -> None:
        if isinstance(message, SchemaMessage):
            schema = {name: each for name, each in message.schema.items() if name != CLAIMS}
            message.schema = schema | self.annotations.get(message.stream, {})
        if isinstance(message, StateMessage) and not self._is_news(message):
            return
        self._buffer += self.serialize_message(message)
        if message.type is SingerMessageType.RECORD:
            self._flush_if_due()
        else:
            self.flush()

    def _is_news(self, message: StateMessage) -> bool:
        """Return whether a STATE differs from the last one, or has more than a value."""
        document = message.to_dict()
        value = self._encode(document["value"])
        same, self._last_state = value == self._last_state, value
        return not same or len(document) > len(("type", "value"))

    def write_record(self, prefix: bytes, record: dict[str, Any]) -> None:
        """Write a record; `prefix` is the part of its message before the record's opening brace."""
        encoded = self._encode(record)  # first, so that an error leaves no half of a line
        buffer = self._buffer
        buffer += prefix
        buffer += encoded
        buffer += b"}\n"
        self._flush_if_due()

    def record_prefix(self, stream: str) -> bytes:
        """Return the text before each record of a stream."""
        return b'{"type":"RECORD","stream":' + self._encode(stream) + b',"record":'

    def _flush_if_due(self) -> None:
        full = len(self._buffer) >= FLUSH_BYTES
        if full or time.monotonic() - self._flushed >= FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write all buffered lines.

        Raises:
            PluginError: the reader of the pipe has exited.
        """
        lines, self._buffer = self._buffer, bytearray()
        self._flushed = time.monotonic()
        try:
            sys.stdout.buffer.write(lines)
            sys.stdout.flush()
        except BrokenPipeError:
            # the interpreter would flush again at exit, and print an error
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise PluginError("the loader closed the pipe before the end") from None
