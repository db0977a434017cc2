"""Reads a JSON array of any size from a file, exactly and with flat memory."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import IO, Any

import msgspec

from attribution_elt.kit.json.document import decode

BLOCK = 1 << 20
"""Bytes read at once; a block has whole elements, so an element larger than this enlarges it."""

_elements = msgspec.json.Decoder(list[msgspec.Raw]).decode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_START = rb"(?:\xef\xbb\xbf)?\s*"  # some servers write a byte order mark
_BARE = re.compile(_START + rb"\[")
_OBJECT = re.compile(_START + rb"\{")
MOST_PLACES = 100
"""Maximum number of positions at which the array is searched for in an object, a block each."""
_FEW = 7
"""Number of commas to try one by one; after them, more and more commas are skipped."""
_BETWEEN_OBJECTS = re.compile(rb"\}\s*,\s*\{")
_BETWEEN_VALUES = re.compile(rb",")


class NotAnArrayError(ValueError):
    """The text is not the expected array, nor an object that contains it."""


@dataclass(slots=True)
class Index:
    """The positions of an array's elements in its file.

    Attributes:
        blocks: offset and length of each sequence of whole elements, separated by commas.
        members: the other members of the object that contains the array, if there is one.
    """

    blocks: list[tuple[int, int]] = field(default_factory=list)
    count: int = 0
    members: dict[str, Any] = field(default_factory=dict)

    def add(self, offset: int, text: bytes, count: int) -> None:
        """Add a sequence of elements, given their number.

        Raises:
            ValueError: it is not UTF-8.
        """
        text.decode()
        self.blocks.append((offset, len(text)))
        self.count += count


def index(file: IO[bytes], names: Sequence[str] = ()) -> Index:
    """Check that the file contains one complete JSON array, and return where its elements are.

    Args:
        file: a seekable file.
        names: the array may also be the member of this name in an object, if it begins in the first
        block.

    Raises:
        NotAnArrayError: it begins as something else.
        ValueError: it is malformed, truncated, or not UTF-8.
    """
    file.seek(0)
    pending = file.read(BLOCK)
    found = Index()
    opened = _BARE.match(pending)
    if wrapped := opened is None:
        opened, found.members = _wrapping(pending, names)
    offset = opened.end()
    pending = pending[offset:]
    between = _BETWEEN_OBJECTS if pending.lstrip()[:1] == b"{" else _BETWEEN_VALUES
    while more := file.read(max(BLOCK, len(pending))):
        pending += more
        if cut := _cut(pending, between):
            comma, count = cut
            found.add(offset, pending[:comma], count)
            offset += comma + 1
            pending = pending[comma + 1 :]
    last, rest = _close(pending, wrapped=wrapped)
    if found.blocks and not last.strip():
        raise ValueError("a comma without an element after it")
    found.add(offset, last, _count(last))
    found.members |= rest
    return found


def _wrapping(text: bytes, names: Sequence[str]) -> tuple[re.Match[bytes], dict[str, Any]]:
    """Find the array that is a member of the object, and the members before it.

    A name may also be nested deeper or inside a string. It belongs to our object exactly if the
    text before it is a complete object once its brace is closed.
    """
    either = b"|".join(re.escape(name.encode()) for name in names) or b"(?!)"
    places = re.finditer(rb'"(?:' + either + rb')"\s*:\s*\[', text)
    if begin := _OBJECT.match(text):
        for place in islice(places, MOST_PLACES):
            before = text[begin.end() : place.start()].rstrip()
            if not before or before.endswith(b","):
                with suppress(ValueError):
                    return place, decode(b"{" + before[:-1] + b"}")
    raise NotAnArrayError("it does not begin with an array")


def _cut(text: bytes, between: re.Pattern[bytes]) -> tuple[int, int] | None:
    """Return the offset of a comma between two elements, and the number of elements before it.

    A comma may also be nested deeper or inside a string. It separates elements of the array that
    `text` begins exactly if the text before it is a complete array, because a text of balanced
    brackets cannot end inside one.
    """
    commas = _commas(text, between)
    for tried, comma in enumerate(commas):
        with suppress(ValueError):
            if count := _count(text[:comma]):
                return comma, count
        if tried >= _FEW:  # inside a long nested array, earlier commas are nested too
            next(islice(commas, skipped := 2 ** (tried - _FEW + 1) - 1, skipped), None)
    return None


def _commas(text: bytes, between: re.Pattern[bytes]) -> Iterator[int]:
    """Yield the offsets of commas that may separate elements, the last one first."""
    first = b"}" if between is _BETWEEN_OBJECTS else b","
    at = len(text)
    while (at := text.rfind(first, 0, at)) >= 0:
        if between.match(text, at):
            yield text.index(b",", at)


def _count(elements: bytes) -> int:
    """Return the number of elements; raise ValueError if they are malformed."""
    return len(_elements(b"[" + elements + b"]"))


def _close(text: bytes, *, wrapped: bool) -> tuple[bytes, dict[str, Any]]:
    """Split the last elements from the closing bracket and the members after it."""
    if not wrapped:
        last = text.rstrip()
        if not last.endswith(b"]"):
            raise ValueError("the array is not closed")
        return last[:-1], {}
    members = _members(b'{"":[' + text)
    last = bytes(members.pop(""))[1:-1]
    return last, {name: decode(bytes(value)) for name, value in members.items()}


def elements(file: IO[bytes], found: Index) -> Iterator[Any]:
    """Yield the elements of an indexed array."""
    for offset, length in found.blocks:
        file.seek(offset)
        yield from decode(b"[" + file.read(length) + b"]")
