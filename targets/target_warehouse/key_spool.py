"""Keeps the keys of delivered records on disk, so that memory use does not grow with them."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from functools import cached_property
from typing import IO

import pyarrow as pa

_CHUNK = 65_536  # rows that are written at a time


class KeySpool:
    """A list of Arrow tables; if they are many, an unnamed file holds them until the process ends.

    The tables may have different columns.
    """

    def __init__(self) -> None:
        self._extents: list[tuple[int, int]] = []
        self._pending: list[pa.Table] = []
        self._rows = 0

    @cached_property
    def _file(self) -> IO[bytes]:
        return tempfile.TemporaryFile(prefix="target-warehouse-")

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
            self._file.seek(offset)
            with pa.ipc.open_stream(self._file.read(length)) as reader:
                yield reader.read_all()
        if self._pending:
            yield pa.concat_tables(self._pending)

    def close(self) -> None:
        """Remove everything."""
        if "_file" in self.__dict__:
            with contextlib.suppress(OSError):  # a full disk again
                self._file.close()
        self._extents, self._pending = [], []

    def _write(self) -> None:
        text = pa.BufferOutputStream()
        table = pa.concat_tables(self._pending)
        with pa.ipc.new_stream(text, table.schema) as writer:
            writer.write_table(table)
        offset = self._file.seek(0, os.SEEK_END)
        self._extents.append((offset, self._file.write(text.getvalue())))
        self._file.flush()
        self._pending, self._rows = [], 0
