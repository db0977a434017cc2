"""Decodes vendors' JSON: exact numbers, repaired text, large lists read entry by entry."""

from __future__ import annotations

import codecs
import re
import tempfile
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import IO, Any

import ijson
import msgspec

from attribution_elt.core.text import without_nul

MEMORY = 1 << 20
"""Bytes of a temporary file that are kept in memory."""

_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_NUL = b"\\u0000"
_LONGEST_TOKEN = len(b"\\ud83e\\udd84")
_TOKEN = re.compile(
    rb"""(?P<quote>")"""
    rb"""|\\(?:(?P<pair>u[dD][89abAB]..\\u[dD][c-fC-F]..)|(?P<lone>u[dD][89a-fA-F]..)|.)"""
    rb"""|(?P<constant>-?\b(?:NaN|Infinity)\b)""",
    re.DOTALL,
)
BUFFER = 1 << 19
"""Bytes that ijson reads at once; the events of one read take 6 MB.

It scans a text from its beginning again with each read, so smaller reads make long texts slow.
"""


def decode(text: bytes) -> Any:
    """Return JSON text as Python values: exact decimals, and no NUL, which no warehouse stores."""
    value = _decode(text)
    return without_nul(value) if _NUL in text else value


def mended(file: IO[bytes], charset: str = "utf-8") -> IO[bytes] | None:
    r"""Return JSON text without defects that some clients accept; None if it has no such defect.

    - A byte order mark is removed.
    - Text in another charset becomes UTF-8, if the response names its charset.
    - Bytes that are not valid become U+FFFD, as does each half of a surrogate pair (`"\ud83e"`),
      which remains of an emoji that was cut off.
    - NaN and Infinity, which JSON does not have, become texts: a number's property cannot hold
      them, so the original goes into `_extra`.

    The result can equal the original if a character spans two reads.
    """
    result = tempfile.SpooledTemporaryFile(max_size=MEMORY)  # noqa: SIM115 - the caller's to close
    decoder = codecs.getincrementaldecoder(_known(charset))(errors="replace")
    mender = _Mender()
    changed = False
    file.seek(0)
    while chunk := file.read(MEMORY):
        text = decoder.decode(chunk).encode()
        changed = changed or text != chunk
        result.write(mender.feed(text))
    result.write(mender.feed(decoder.decode(b"", final=True).encode(), final=True))
    if changed or mender.changed:
        return result
    result.close()
    return None


def _known(charset: str) -> str:
    """Return a charset as Python names it; UTF-8 if Python does not have it."""
    try:
        b"a".decode(charset, "replace")
    except (LookupError, ValueError):
        charset = "utf-8"
    return "utf-8-sig" if codecs.lookup(charset).name == "utf-8" else charset


class _Mender:
    """Replaces tokens in JSON text that comes in pieces."""

    def __init__(self) -> None:
        self.changed = False
        self._held = b""
        self._in_text = False

    def feed(self, piece: bytes, *, final: bool = False) -> bytes:
        """Return the next part of the repaired text; the end of a piece may cut a token."""
        text = self._held + piece
        end = len(text) if final else len(text) - _LONGEST_TOKEN
        parts, done = [], 0
        for found in _TOKEN.finditer(text):
            if found.start() > end:
                break
            if found["quote"]:
                self._in_text = not self._in_text
            elif found["lone"] or (found["constant"] and not self._in_text):
                mended = rb"\ufffd" if found["lone"] else b'"%s"' % found["constant"]
                parts += [text[done : found.start()], mended]
                done = found.end()
                self.changed = True
                continue
            parts.append(text[done : found.end()])
            done = found.end()
        cut = max(done, end)
        parts.append(text[done:cut])
        self._held = text[cut:]
        return b"".join(parts)


def outline(file: IO[bytes], lists: Sequence[str]) -> tuple[Any, set[str]]:
    """Return a large document without some of its lists, and which of them it has.

    Memory is flat except for the result.

    Args:
        file: a seekable file.
        lists: paths of the lists: member names, joined by dots.

    Raises:
        ValueError: it is malformed or truncated.
    """
    file.seek(0)
    builder = ijson.ObjectBuilder()
    key: str | None = None
    skipped: str | None = None
    found: set[str] = set()
    try:
        for prefix, event, value in ijson.parse(file, use_float=False, buf_size=BUFFER):
            if skipped is not None:
                skipped = None if (prefix, event) == (skipped, "end_array") else skipped
                continue
            if event == "start_array" and prefix in lists:
                skipped, key = prefix, None
                found.add(prefix)
                continue
            if key is not None:
                builder.event("map_key", key)
                key = None
            if event == "map_key":
                key = value
            else:
                builder.event(event, value)
    except ijson.JSONError as error:
        raise ValueError(str(error)) from None
    return without_nul(builder.value), found


def entries(file: IO[bytes], path: str) -> Iterator[Any]:
    """Yield the entries of a list in a large document, one at a time."""
    file.seek(0)
    for entry in ijson.items(file, f"{path}.item", use_float=False, buf_size=BUFFER):
        yield without_nul(entry)
