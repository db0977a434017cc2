"""What vendors' JSON needs besides an exact parser: characters mended, large lists left aside."""

from __future__ import annotations

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
_LONGEST_ESCAPE = len(b"\\ud83e\\udd84")
_ESCAPE = re.compile(
    rb"\\(?:(?P<pair>u[dD][89abAB]..\\u[dD][c-fC-F]..)|(?P<lone>u[dD][89a-fA-F]..)|.)", re.DOTALL
)


def decode(text: bytes) -> Any:
    """Return JSON text as Python values: exact decimals, and no NUL, which no warehouse stores."""
    value = _decode(text)
    return without_nul(value) if _NUL in text else value


def with_whole_characters(file: IO[bytes]) -> IO[bytes] | None:
    r"""Return the text with every half of a surrogate pair (`"\ud83e"`) replaced by `\ufffd`.

    Such a half is what remains of an emoji that was cut off; it is no character, and parsers
    refuse it. None if there is none.
    """
    mended = tempfile.SpooledTemporaryFile(max_size=MEMORY)  # noqa: SIM115 - the caller's to close
    replaced = 0
    held = b""
    file.seek(0)
    while chunk := file.read(MEMORY):
        text = held + chunk
        end = len(text) - _LONGEST_ESCAPE
        done = 0
        for escape in _ESCAPE.finditer(text):
            if escape.start() > end:
                break
            mended.write(text[done : escape.start()])
            mended.write(rb"\ufffd" if escape["lone"] else escape[0])
            replaced += escape["lone"] is not None
            done = escape.end()
        cut = max(done, end)
        mended.write(text[done:cut])
        held = text[cut:]
    mended.write(_ESCAPE.sub(lambda found: rb"\ufffd" if found["lone"] else found[0], held))
    replaced += any(found["lone"] for found in _ESCAPE.finditer(held))
    if replaced:
        return mended
    mended.close()
    return None


def outline(file: IO[bytes], lists: Sequence[str]) -> tuple[Any, set[str]]:
    """Return a large document without some of its lists, and which of them it has.

    Memory is flat but for what is returned.

    Args:
        file: a seekable file.
        lists: where they are: names of members, joined by dots.

    Raises:
        ValueError: it is malformed or truncated.
    """
    file.seek(0)
    builder = ijson.ObjectBuilder()
    key: str | None = None
    skipped: str | None = None
    found: set[str] = set()
    try:
        for prefix, event, value in ijson.parse(file, use_float=False):
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
    for entry in ijson.items(file, f"{path}.item", use_float=False):
        yield without_nul(entry)
