"""The files of the SDK's BATCH messages."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import IO, Any

import fsspec

from attribution_elt.core.errors import in_a_line
from target_warehouse import exact

_AT_ONCE = 5_000  # records
_COMPRESSIONS = {None: None, "none": None, "gzip": "gzip"}


class BatchFileError(Exception):
    """A file of a BATCH message cannot be read; the message is for the user."""


def record_lines(
    files: Sequence[str], format_: str, compression: str | None
) -> Iterator[tuple[list[bytes], list[str]]]:
    """Yield what `files` hold as RECORD lines and where each stands, some thousand at once.

    `files` are paths or URLs that fsspec opens; `format_` is jsonl or parquet.
    """
    if format_ not in _FORMATS or compression not in _COMPRESSIONS:
        raise BatchFileError(f"batch files of format {format_!r}, {compression!r} are unknown here")
    for file in files:
        packed = _COMPRESSIONS[compression] if format_ == "jsonl" else None
        try:
            with fsspec.open(file, "rb", compression=packed) as opened:
                number = 0
                for lines in _FORMATS[format_](opened):
                    yield lines, [f"{number + n} of {file}" for n in range(1, len(lines) + 1)]
                    number += len(lines)
        except (OSError, EOFError, ValueError, ImportError) as error:
            reason = in_a_line(error)
            raise BatchFileError(f"the batch file {file} cannot be read: {reason}") from error


def _of_jsonl(file: IO[bytes]) -> Iterator[list[bytes]]:
    lines = (b'{"record": %s}' % text for line in file if (text := line.strip()))
    while some := list(itertools.islice(lines, _AT_ONCE)):
        yield some


def _of_parquet(file: IO[bytes]) -> Iterator[list[bytes]]:
    from pyarrow import parquet  # noqa: PLC0415 - few taps write it, and it takes time to import

    for rows in parquet.ParquetFile(file).iter_batches(_AT_ONCE):
        records: list[dict[str, Any]] = rows.to_pylist()
        yield [exact.to_json({"record": record}) for record in records]


_FORMATS = {"jsonl": _of_jsonl, "parquet": _of_parquet}
