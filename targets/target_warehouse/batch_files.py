"""The files of the SDK's BATCH messages."""

from __future__ import annotations

import codecs
import gzip
import itertools
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

import fsspec
import msgspec

from attribution_elt.core.errors import in_a_line
from target_warehouse import exact

_AT_ONCE = 5_000  # records
_LONGEST_LINE = 256 << 20  # bytes
_decoder = msgspec.json.Decoder(msgspec.Raw)
_COMPRESSIONS = (None, "none", "gzip")


class BatchFileError(Exception):
    """A file of a BATCH message cannot be read; the text is for the user."""


def record_lines(
    files: Sequence[str], format_: str, compression: str | None, *, folders: Sequence[str]
) -> Iterator[tuple[list[bytes], list[str]]]:
    """Yield the records of files as RECORD lines with their positions, some thousand at a time.

    Args:
        files: Paths or URLs that fsspec can open.
        format_: `jsonl` or `parquet`.
        compression: `gzip`, `none` or None.
        folders: Folders and URLs below which files may be read.

    Raises:
        BatchFileError: A file is not allowed or cannot be read.
    """
    if format_ not in _FORMATS or compression not in _COMPRESSIONS:
        raise BatchFileError(
            f"batch files of format {format_!r}, {compression!r} are not supported"
        )
    is_packed = (format_, compression) == ("jsonl", "gzip")
    read = _of_packed_jsonl if is_packed else _FORMATS[format_]
    for file in files:
        try:
            with fsspec.open(_allowed(file, folders), "rb") as opened:
                numbered = read(opened)
                while some := list(itertools.islice(numbered, _AT_ONCE)):
                    yield [line for _, line in some], [f"{number} of {file}" for number, _ in some]
        except (OSError, EOFError, ValueError, OverflowError, ImportError) as error:
            reason = in_a_line(error)
            raise BatchFileError(f"the batch file {file} cannot be read: {reason}") from error


def _allowed(file: str, folders: Sequence[str]) -> str:
    """Return the location of a regular file below one of the folders."""
    path = _local(file)
    if path is None:
        if ".." not in unquote(file) and any(
            file.startswith(folder.rstrip("/") + "/")
            for folder in folders
            if _local(folder) is None
        ):
            return file
    elif any(path.is_relative_to(folder) for folder in map(_local, folders) if folder is not None):
        if not stat.S_ISREG(path.stat().st_mode):
            raise BatchFileError(f"the batch file {file} is not a regular file")
        return os.fspath(path)
    raise BatchFileError(
        f"the batch file {file} is not in a folder of the setting batch_folders"
        + ("" if folders else ", which is empty")
    )


def _local(location: str) -> Path | None:
    """Return the path of a local file with links resolved; None for a URL of another kind."""
    parts = urlsplit(location)
    if parts.scheme == "file":  # file://folder/a.jsonl is relative to the SDK
        return Path(os.path.realpath(unquote(parts.netloc.removeprefix("localhost") + parts.path)))
    return None if "://" in location or "::" in location else Path(os.path.realpath(location))


def _of_jsonl(file: IO[bytes] | gzip.GzipFile) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(_lines(file), 1):
        if text := line.strip().removeprefix(codecs.BOM_UTF8):
            # Within a message, text after the record would be read as another member.
            yield number, b'{"record": %s}' % text if _is_one_value(text) else text


def _of_packed_jsonl(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    with gzip.open(file) as unpacked:
        yield from _of_jsonl(unpacked)
    if not file.tell():  # Python reads an empty file as one without lines
        raise EOFError("it is empty, which no gzip file is")


def _is_one_value(text: bytes) -> bool:
    try:
        try:
            _decoder.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError):  # Python also accepts NaN and the like
            exact.parse_leniently(text)
    except RecursionError:
        return True  # the record is rejected
    except ValueError:
        return False
    return True


def _lines(file: IO[bytes] | gzip.GzipFile) -> Iterator[bytes]:
    while line := file.readline(_LONGEST_LINE + 1):
        if len(line) > _LONGEST_LINE:
            raise ValueError(f"a line has more than {_LONGEST_LINE >> 20} MiB")
        yield line


def _of_parquet(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    from pyarrow import parquet  # noqa: PLC0415 - few taps write it, and it takes time to import

    content = parquet.ParquetFile(file)
    names = content.schema_arrow.names
    if len(names) > len(set(names)):
        raise ValueError("it has two columns of the same name")
    parts = content.iter_batches(_AT_ONCE)
    records = itertools.chain.from_iterable(rows.to_pylist() for rows in parts)
    for number, record in enumerate(records, 1):
        yield number, exact.to_json({"record": record})


_FORMATS = {"jsonl": _of_jsonl, "parquet": _of_parquet}
