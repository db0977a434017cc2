"""Reads a whole Singer input into memory: a target must not send an incomplete set of wishes."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from typing import IO, Any

import msgspec
from singer_sdk.io_base import GenericSingerReader
from typing_extensions import override

from attribution_elt.kit.errors import PluginError

TYPES = {"SCHEMA", "RECORD", "STATE", "ACTIVATE_VERSION"}


class WishReader(GenericSingerReader[bytes]):
    """Collects the last state and the records of one stream; those of others are only counted."""

    def __init__(self, stream: str) -> None:
        super().__init__()
        self.stream = stream
        self.records: list[dict[str, Any]] = []
        self.state: bytes | None = None
        self.announced = False
        self.other_streams: Counter[str] = Counter()
        self._covered = True
        self._finished = True

    @property
    @override
    def default_input(self) -> IO[bytes]:
        return sys.stdin.buffer

    @override
    def deserialize_json(self, line: bytes) -> dict[str, Any]:
        message = msgspec.json.decode(line)
        if not isinstance(message, dict):
            raise TypeError("it is not an object")
        return message

    @override
    def process_lines(
        self, file_input: IO[Any] | None, callbacks: dict[str, Callable[[dict[str, Any]], None]]
    ) -> Counter[str]:
        del callbacks  # the SDK's own method would pass each record to a sink as it arrives
        counts: Counter[str] = Counter()
        for number, line in enumerate(file_input or self.default_input, 1):
            raw = line.encode() if isinstance(line, str) else line
            if raw.strip():
                try:
                    counts[self._take(raw)] += 1
                except (TypeError, ValueError, RecursionError) as error:
                    # the line may contain personal data
                    raise PluginError(f"line {number} is not a Singer message: {error}") from None
        return counts

    def _take(self, line: bytes) -> str:
        message = self.deserialize_json(line)
        kind = message.get("type")
        if kind not in TYPES:
            raise ValueError("its type is unknown")
        if kind == "STATE":
            self.state = msgspec.json.encode(message.get("value"))
            self._covered = True
            self._finished = message.get("complete", True) is True
        elif kind != "ACTIVATE_VERSION":
            self._take_of_stream(kind, message)
        return str(kind)

    def _take_of_stream(self, kind: str, message: dict[str, Any]) -> None:
        stream = message.get("stream")
        if not isinstance(stream, str):
            raise TypeError("it has no stream")
        if stream != self.stream:
            self.other_streams[stream] += kind == "RECORD"
        elif kind == "SCHEMA":
            self.announced = True
        elif not self.announced:
            raise ValueError(f"a record of {stream} precedes its SCHEMA")
        elif not isinstance(record := message.get("record"), dict):
            raise TypeError("its record is not an object")
        else:
            self.records.append(record)
            self._covered = False

    @property
    def is_whole(self) -> bool:
        """Whether a STATE follows the last record: a tap that was killed does not write one."""
        return self._covered and self._finished
