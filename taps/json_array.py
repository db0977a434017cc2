"""Reads a JSON array of any size from a file, exactly and with flat memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import IO, Any

import msgspec

BLOCK = 1 << 20
"""Bytes read at once; a block holds whole elements, so one larger than this makes a larger one."""

decode = msgspec.json.Decoder(float_hook=Decimal).decode
"""JSON text to Python values; numbers with a fraction or exponent become exact decimals."""

_whole = msgspec.json.Decoder(list[msgspec.Raw]).decode
_BARE = re.compile(rb"\s*\[")
_SCALAR = rb'(?:"(?:[^"\\]|\\.)*"|[-+.\w]+)'
_BETWEEN_OBJECTS = re.compile(rb"\}\s*,\s*\{")
_BETWEEN_VALUES = re.compile(rb",")

Blocks = list[tuple[int, int, bytes, bytes]]
"""Where each block lies: offset, length, and what makes it a JSON text before and after it."""


class NotAnArrayError(ValueError):
    """The text is not the array that was expected, nor an object with it."""


def index(file: IO[bytes], key: str | None = None) -> Blocks:
    """Check that the file holds one whole JSON array, and say where its blocks lie.

    Args:
        file: a seekable file.
        key: the array may also be a member of this name of an object whose members before
            it are scalars.

    Raises:
        NotAnArrayError: it begins as something else.
        ValueError: it is malformed, truncated, or not UTF-8.
    """
    file.seek(0)
    pending = file.read(BLOCK)
    opened = _BARE.match(pending)
    opening = b"["
    if opened is None and key is not None:
        name = re.escape(key.encode())
        before = rb'\s*\{(?:\s*"[^"\\]*"\s*:\s*' + _SCALAR + rb"\s*,)*\s*"
        opened = re.match(before + rb'"' + name + rb'"\s*:\s*\[', pending)
        opening = b'{"":['
    if opened is None:
        raise NotAnArrayError
    offset = opened.end()
    pending = pending[offset:]
    blocks: Blocks = []
    between = _BETWEEN_OBJECTS if pending.lstrip()[:1] == b"{" else _BETWEEN_VALUES
    while more := file.read(max(BLOCK, len(pending))):
        pending += more
        cut = _cut(pending, between)
        if cut:
            pending[:cut].decode()
            blocks.append((offset, cut, b"[", b"]"))
            offset += cut + 1
            pending = pending[cut + 1 :]
    msgspec.json.decode(opening + pending, type=msgspec.Raw)
    pending.decode()
    blocks.append((offset, len(pending), opening, b""))
    return blocks


def _cut(text: bytes, between: re.Pattern[bytes]) -> int | None:
    """Offset of a comma between two elements of the array whose beginning `text` is.

    A comma may also stand deeper or inside a string. It is one of ours exactly if what stands
    before it is a whole array: a text of brackets that balance cannot end inside of one.
    """
    commas = [match.start() for match in between.finditer(text)]
    step, at = 1, len(commas)
    tried = 0
    while (at := at - step) >= 0:
        comma = text.index(b",", commas[at])
        try:
            _whole(b"[" + text[:comma] + b"]")
        except ValueError:
            tried += 1
            # in a long nested array its neighbours are none either: look ever further back
            step = 1 if tried < 8 else step * 2  # noqa: PLR2004
        else:
            return comma
    return None


def elements(file: IO[bytes], blocks: Blocks) -> Iterator[Any]:
    """Yield the elements of an array that was indexed."""
    for offset, length, before, after in blocks:
        file.seek(offset)
        block = decode(before + file.read(length) + after)
        yield from block[""] if before == b'{"":[' else block
