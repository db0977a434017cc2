"""Keeps the keys of delivered records on disk, so that memory use does not grow with them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator

import pyarrow as pa

_CHUNK = 65_536  # rows that are written at a time


class KeySpool:
    """A list of Arrow tables in an unnamed file, which disappears when the process ends.

    The tables may have different columns.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="target-warehouse-")  # noqa: SIM115
        self._end = 0
        self._extents: list[tuple[int, int]] = []
        self._pending: list[pa.Table] = []
        self._rows = 0

    def add(self, keys: pa.Table) -> None:
        """Append a table; raise OSError if the disk is full."""
        if self._pending and self._pending[-1].schema != keys.schema:
            self._write()
        self._pending.append(keys)
        self._rows += len(keys)
        if self._rows >= _CHUNK:
            self._write()

    def __iter__(self) -> Iterator[pa.Table]:
        """Return the tables in chunks, in the order in which they were added."""
        for offset, length in self._extents:
            text = os.pread(self._file.fileno(), length, offset)
            with pa.ipc.open_stream(text) as reader:
                yield reader.read_all()
        if self._pending:
            yield pa.concat_tables(self._pending)

    def close(self) -> None:
        """Remove everything."""
        self._file.close()
        self._extents, self._pending = [], []

    def _write(self) -> None:
        text = pa.BufferOutputStream()
        table = pa.concat_tables(self._pending)
        with pa.ipc.new_stream(text, table.schema) as writer:
            writer.write_table(table)
        content = memoryview(text.getvalue())
        length = 0
        while length < len(content):  # a write may be partial
            length += os.pwrite(self._file.fileno(), content[length:], self._end + length)
        self._extents.append((self._end, length))
        self._end += length
        self._pending, self._rows = [], 0
