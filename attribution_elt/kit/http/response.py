"""The body of a response, which is read without holding it all in memory."""

from __future__ import annotations

import errno
import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

import requests

from attribution_elt.kit.http.headers import charset_of
from attribution_elt.kit.json import array as json_array
from attribution_elt.kit.json import document as json_text

LARGE = 8 << 20
"""Size in bytes above which a document's lists are read entry by entry, with flat memory."""


class TooLargeError(Exception):
    """A response is larger than the limit or the free space on disk."""


@dataclass(frozen=True, slots=True)
class Spooled:
    """A response whose body has arrived."""

    status: int
    headers: Mapping[str, str]
    file: IO[bytes]


def spooled(response: requests.Response, most_bytes: int) -> IO[bytes]:
    """Return a temporary file with the whole body; a large one goes to disk.

    Raises:
        TooLargeError: the body is larger than `most_bytes`, or the disk is full.
    """
    file = tempfile.SpooledTemporaryFile(max_size=json_text.MEMORY)  # noqa: SIM115 - JsonResponse closes it
    size = 0
    try:
        for chunk in response.iter_content(1 << 16):
            size += len(chunk)
            _write(file, chunk, is_too_much=size > most_bytes)
    except BaseException:
        file.close()
        raise
    return file


def _write(file: IO[bytes], chunk: bytes, *, is_too_much: bool) -> None:
    if is_too_much:
        raise TooLargeError("the body is larger than the setting max_response_bytes allows")
    try:
        file.write(chunk)
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise
        where = tempfile.gettempdir()
        reason = f"no space left in {where} ({error.strerror})"
        raise TooLargeError(f"{reason}: set TMPDIR to a larger folder") from None


class JsonResponse:
    """A complete response that is valid JSON; it can be read several times.

    Attributes:
        document: the decoded body without `lists`, if it is not an array; else the members of the
        object that contains the array, or an empty dictionary.
        lists: names of the large lists that the body has; `rows` yields their entries.
        is_array: whether there is an array; an empty body (204) counts as an empty array.
    """

    def __init__(
        self,
        file: IO[bytes],
        headers: Mapping[str, str],
        names: Sequence[str] = (),
        lists: Sequence[str] = (),
    ) -> None:
        self.headers = headers
        self._file = file
        self._close_with_self()
        self._index = json_array.Index()
        self._taken: dict[str, list[Any]] | None = {}
        self.lists: set[str] = set()
        self.document: Any = {}
        self.is_array = True
        if file.seek(0, 2) == 0:
            return
        try:
            self._read(names, lists)
        except ValueError:
            mended = json_text.mended(file, charset_of(headers))
            if mended is None:
                raise
            file.close()
            self._file = mended
            self._close_with_self()
            self._read(names, lists)

    def _close_with_self(self) -> None:
        """Close the file of a response that is not read because the run ends early.

        `__del__` may be called after the file's own if both are part of a cycle.
        """
        weakref.finalize(self, self._file.close)

    def _read(self, names: Sequence[str], lists: Sequence[str]) -> None:
        self.is_array = True
        try:
            self._index = json_array.index(self._file, names)
            self.document = self._index.members
        except json_array.NotAnArrayError:
            self.is_array = False
            if self._file.seek(0, 2) > LARGE:
                self._taken = None
                self.document, self.lists = json_text.outline(self._file, lists)
                return
            self._file.seek(0)
            self.document = json_text.decode(self._file.read())
            taken = {path: _taken(self.document, path) for path in lists}
            self._taken = {path: rows for path, rows in taken.items() if rows is not None}
            self.lists = set(self._taken)

    @property
    def count(self) -> int:
        """Number of elements of the array."""
        return self._index.count

    def __iter__(self) -> Iterator[Any]:
        """Yield the array's elements, one at a time."""
        return json_array.elements(self._file, self._index)

    def rows(self, path: str) -> Iterator[Any]:
        """Yield the entries of one of the document's `lists`, one at a time."""
        if self._taken is None:
            return json_text.entries(self._file, path)
        return iter(self._taken.get(path, ()))

    def close(self) -> None:
        """Close and delete the temporary file."""
        self._file.close()


def _taken(document: Any, path: str) -> list[Any] | None:
    """Remove a list from a document and return it, if there is one."""
    *owners, name = path.split(".")
    for owner in owners:
        document = document.get(owner) if isinstance(document, dict) else None
    if isinstance(document, dict) and isinstance(document.get(name), list):
        taken: list[Any] = document.pop(name)
        return taken
    return None
